"""The budgets, measured side by side with their baselines."""
