"""/credentials"""

from drover_api.http.blueprint import PublicBlueprint
from drover_api.resources.credentials.service import Credentials
from drover_api.resources.routes import add_crud

blp = PublicBlueprint("credentials", "Secrets are written, never read back")
add_crud(blp, Credentials(), "credential", "credentials", "/credentials")
