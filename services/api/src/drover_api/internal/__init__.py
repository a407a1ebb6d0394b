"""The executors' API: register, claim, lease, manifest, secrets, start, finish.

Every call may be repeated. 409 and 410 tell an executor that an attempt is not, or no longer, its own.
Lock order, here and in the scheduler: a job's row before its run's row, so nobody deadlocks.
"""
