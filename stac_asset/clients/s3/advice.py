"""Internal: advice for requests that S3 refused, and the names of credential sources.

The messages of S3 are searched, but not repeated, because they may contain the signed text.
Codes: https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html. Sources of credentials:
https://boto3.amazonaws.com/v1/documentation/api/latest/guide/credentials.html.
"""

from __future__ import annotations

import re

_CLOCK = "The clock of this machine is wrong. Set the clock."
_REGION = "The bucket is in another region. Set `s3_region_name`."
_ADVICE = {
    "AllAccessDisabled": "The owner disabled the bucket.",
    "AuthorizationHeaderMalformed": _REGION,
    "IllegalLocationConstraintException": _REGION,
    "InvalidAccessKeyId": "The service does not know the access key. Correct the key, or set "
    "`s3_endpoint_url` to the service of the key.",
    "InvalidToken": "The session token is invalid. Renew the credentials.",
    "RequestExpired": _CLOCK,
    "RequestTimeTooSkewed": _CLOCK,
    "SignatureDoesNotMatch": "The secret of the access key is wrong. Correct the credentials.",
}
_KMS = re.compile(r"\bkms:\w|\bkms key|customer master key|encryption key", re.I)
_KMS_ADVICE = (
    "The object is encrypted with a KMS key that these credentials may not use. Allow "
    "`kms:Decrypt` on the key, or use other credentials."
)

_SOURCES = {
    "assume-role": "an assumed role",
    "assume-role-with-web-identity": "a web identity",
    "boto2-config-file": "a configuration file of boto",
    "config-file": "the AWS configuration file",
    "container-role": "the role of the container",
    "custom-process": "a `credential_process`",
    "env": "environment variables",
    "explicit": "a configured access key",
    "iam-role": "the role of the machine",
    "login": "an AWS login",
    "shared-credentials-file": "the AWS credentials file",
    "sso": "an AWS SSO login",
}


def code_advice(code: str, message: str) -> str:
    """Return advice for an error code of a refused request, or an empty text.

    Args:
        code: The code, such as `AccessDenied`.
        message: The message of S3, which is not repeated.
    """
    if code.startswith("KMS.") or _KMS.search(message):
        return _KMS_ADVICE
    return _ADVICE.get(code, "")


def source_name(method: str) -> str:
    """Return the source of credentials as a phrase, or an empty text for unknown sources.

    Args:
        method: The name that botocore gives the source, such as `env`.
    """
    return _SOURCES.get(method, "")
