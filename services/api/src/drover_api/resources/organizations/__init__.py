"""Organizations: they own everything else."""
