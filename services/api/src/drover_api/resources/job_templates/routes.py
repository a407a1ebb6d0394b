"""/job-templates"""

from drover_api.http.blueprint import PublicBlueprint
from drover_api.resources.job_templates.service import JobTemplates
from drover_api.resources.routes import add_crud

blp = PublicBlueprint("job-templates", "What a launch starts from")
add_crud(blp, JobTemplates(), "job_template", "job_templates", "/job-templates")
