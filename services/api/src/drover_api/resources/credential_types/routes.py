"""/credential-types"""

from drover_api.http.blueprint import PublicBlueprint
from drover_api.resources.credential_types.service import CredentialTypes
from drover_api.resources.routes import add_crud

blp = PublicBlueprint("credential-types", "What fields a credential has, and how a run gets them")
add_crud(blp, CredentialTypes(), "credential_type", "credential_types", "/credential-types")
