"""From settings to trials that run, here or on a cluster; Ray lives here and nowhere else."""
