"""config.yaml and the experiment files, validated before any job starts."""
