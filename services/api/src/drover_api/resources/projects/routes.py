"""/projects"""

from drover_api.http.blueprint import PublicBlueprint
from drover_api.resources.projects.service import Projects
from drover_api.resources.routes import add_crud

blp = PublicBlueprint("projects", "Repositories of playbooks")
add_crud(blp, Projects(), "project", "projects", "/projects")
