"""/organizations"""

from drover_api.http.blueprint import PublicBlueprint
from drover_api.resources.organizations.service import Organizations
from drover_api.resources.routes import add_crud

blp = PublicBlueprint("organizations", "Organizations own everything else")
add_crud(blp, Organizations(), "organization", "organizations", "/organizations")
