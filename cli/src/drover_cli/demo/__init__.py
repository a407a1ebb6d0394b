"""`./drover demo`: a real playbook through every service, from the public API to the last log byte."""
