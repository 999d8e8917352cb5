"""Internal: endpoints and signatures of requests to AWS services.

This folder imports no client and no destination, so that both can use it.
"""
