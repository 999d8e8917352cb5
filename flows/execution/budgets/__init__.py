"""Internal: budgets of providers, which all runs on all machines share.

| module | content |
|---|---|
| `record` | the received and claimed bytes of a budget, as a value |
| `store` | the record of each budget, as a Prefect variable |
| `rates` | requests and bytes per second, and the allowance of a process |
| `queue` | the shared queue of a rate, as a global concurrency limit of Prefect |
| `meters` | the meters of the connections of a process, and the admission of items |
| `errors` | the error of an asset that is left |
| `session` | the meters of a session, and the recording of received bytes |
"""
