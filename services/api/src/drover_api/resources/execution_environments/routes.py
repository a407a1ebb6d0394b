"""/execution-environments"""

from drover_api.http.blueprint import PublicBlueprint
from drover_api.resources.execution_environments.service import ExecutionEnvironments
from drover_api.resources.routes import add_crud

blp = PublicBlueprint("execution-environments", "The images that playbooks run in")
add_crud(
    blp,
    ExecutionEnvironments(),
    "execution_environment",
    "execution_environments",
    "/execution-environments",
)
