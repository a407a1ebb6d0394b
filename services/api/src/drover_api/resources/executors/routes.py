"""/executors and /executor-pools"""

from drover_api.http.blueprint import PublicBlueprint
from drover_api.resources.executors.service import ExecutorPools, Executors
from drover_api.resources.routes import add_crud, add_detail, add_list

executors = PublicBlueprint("executors", "Where runs are executed; executors register themselves")
add_list(executors, Executors(), "executors", "/executors")
add_detail(executors, Executors(), "executor", "/executors")

pools = PublicBlueprint("executor-pools", "Named sets of executors")
add_crud(pools, ExecutorPools(), "executor_pool", "executor_pools", "/executor-pools")

BLUEPRINTS = (executors, pools)
