"""Projects: repositories of playbooks."""
