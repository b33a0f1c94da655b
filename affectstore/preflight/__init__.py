"""Planning before the DAG is built: scan, plan, validate, and remove what is out of date."""
