"""What the tables of jobs and runs must never say, at any moment: each query finds a contradiction."""

NEVER = {
    "a job with two live attempts": """
        SELECT job_id FROM job_runs WHERE state IN ('pending', 'starting', 'running')
        GROUP BY job_id HAVING count(*) > 1""",
    "a job whose status is not its attempt's": """
        SELECT j.id, j.status, r.state FROM jobs j LEFT JOIN job_runs r ON r.id = j.current_run_id
        WHERE NOT CASE j.status
            WHEN 'pending' THEN r.id IS NULL
            WHEN 'queued' THEN r.state IN ('pending', 'starting')
            WHEN 'running' THEN r.state = 'running'
            WHEN 'canceled' THEN
                coalesce(r.state IN ('canceled', 'lost') OR r.error_reason = 'executor_lost', true)
            WHEN 'error' THEN r.state IN ('lost', 'failed')
            ELSE r.state = j.status END""",
    "a job whose current attempt is not its last": """
        SELECT j.id FROM jobs j JOIN job_runs r ON r.job_id = j.id
        WHERE r.attempt_number > (SELECT attempt_number FROM job_runs WHERE id = j.current_run_id)""",
    "an attempt after one that did not ask for it": """
        SELECT later.id FROM job_runs later JOIN job_runs earlier
            ON earlier.job_id = later.job_id AND earlier.attempt_number = later.attempt_number - 1
        JOIN jobs ON jobs.id = later.job_id
        WHERE earlier.state NOT IN ('lost', 'failed') OR later.cause <> earlier.error_reason
            OR NOT CASE earlier.error_reason
                WHEN 'executor_lost' THEN 'lost' WHEN 'timeout' THEN 'timeout'
                WHEN 'playbook_failed' THEN 'failed' ELSE 'error' END = ANY (jobs.retry_on)""",
    "a hole in the attempts, or too many": """
        SELECT job_id FROM job_runs JOIN jobs ON jobs.id = job_id GROUP BY job_id, max_attempts
        HAVING count(*) <> max(attempt_number) OR count(*) > max_attempts""",
    "an end without its time, or a time without an end": """
        SELECT id FROM jobs
        WHERE (finished_at IS NOT NULL) <> (status NOT IN ('pending', 'queued', 'running'))
        UNION ALL SELECT job_id FROM job_runs
        WHERE (finished_at IS NOT NULL) <> (state NOT IN ('pending', 'starting', 'running'))""",
    "times out of their order": """
        SELECT id FROM job_runs WHERE created_at > least(claimed_at, started_at, finished_at)
            OR claimed_at > least(started_at, finished_at) OR started_at > finished_at
        UNION ALL SELECT later.id FROM job_runs later JOIN job_runs earlier USING (job_id)
        WHERE later.attempt_number = earlier.attempt_number + 1 AND later.created_at < earlier.finished_at""",
    "an end that is not well and has no reason": """
        SELECT id FROM jobs WHERE status IN ('failed', 'error', 'canceled') AND error_reason IS NULL""",
}
