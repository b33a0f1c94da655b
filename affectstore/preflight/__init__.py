"""What is settled before the DAG is built: scan, plan, and drop what no longer holds."""
