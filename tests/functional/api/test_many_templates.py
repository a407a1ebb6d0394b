"""A thousand users and ten thousand templates: a list costs what it shows, not what others hold."""

from drover_api.access.principal import Principal
from drover_api.deps import Deps
from drover_api.resources.job_templates.service import JobTemplates
from drover_shared.db.models import User
from sqlalchemy import select, text
from support.explain import rows_read
from support.launch_rows import make_world

TEMPLATES, USERS, ROLES_EACH = 10_000, 1_000, 100
_FILL = text("""
    INSERT INTO job_templates (name, organization_id, inventory_id, project_id, playbook)
    SELECT 'template ' || n, organization_id, inventory_id, project_id, playbook
    FROM job_templates, generate_series(2, :templates) AS n WHERE id = :template;
    INSERT INTO users (username) SELECT 'user-' || n FROM generate_series(1, :users) AS n;
    INSERT INTO role_assignments (role, resource_type, resource_id, user_id)
    SELECT 'execute', 'job_template', :template + (users.id * 97 + n * 100) % :templates, users.id
    FROM users, generate_series(0, :each - 1) AS n WHERE username LIKE 'user-%';
""")


def test_a_list_of_templates_among_many(api_deps: Deps) -> None:
    with api_deps.sessions.begin() as db:
        template = make_world(db).template_id
        values = {"templates": TEMPLATES, "users": USERS, "each": ROLES_EACH, "template": template}
        db.execute(_FILL, values)
        user_id = db.scalars(select(User.id).where(User.username == "user-7")).one()
    with api_deps.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("ANALYZE"))
    principal = Principal(user_id, "user-7", is_superuser=False, is_system_auditor=False)
    args = {"limit": 50, "offset": 0, "order_by": None}
    totals = []
    with api_deps.sessions() as db:
        read = rows_read(
            api_deps.engine, lambda: totals.append(JobTemplates().page(db, principal, args)["total"])
        )
    assert totals == [ROLES_EACH]
    statements = 2  # the count and the page, each of which may look at every template once
    assert read["job_templates"] <= statements * TEMPLATES
    assert read["role_assignments"] <= 4 * statements * ROLES_EACH, "others' roles are not read"
    assert sum(read.values()) <= statements * TEMPLATES + 10 * ROLES_EACH
