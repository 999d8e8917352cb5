"""Builds the requests of a search at a STAC API: method, parameters and filter language.

pystac-client formats the parameters. This module chooses between GET and POST. GET requests cannot
express ids with commas, and their URL limits the length of filters, so POST is preferred. A filter
in CQL2 text is an exception, because many APIs read CQL2 text only from GET requests. If such a
search does not fit into a URL, the filter is converted to CQL2 JSON and sent by POST.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import requests
from pystac_client.item_search import ItemSearch
from pystac_client.stac_api_io import StacApiIO
from yarl import URL

from stac_asset.errors import ConfigError, HrefError, SourceError
from stac_asset.hrefs import absolute_href, with_scheme_of
from stac_asset.mirror.search.criteria import Criteria
from stac_asset.mirror.source_item import links_of
from stac_asset.redact import redact_href
from stac_asset.stac.api_request import ApiRequest

_MAX_URL_LENGTH = 2000
"""Length of a URL in characters, above which a search is sent by POST if possible."""

_IDS_PER_URL = 50
"""Maximum number of ids in a URL. More ids are searched in several requests."""

_OTHER_TYPES = re.compile("html|opensearch|openapi", re.IGNORECASE)
"""Media types of links `search` that do not lead to the search of the STAC API."""

_METHODS = re.compile(r"\b(?:GET|POST)\b")

_CQL2_TEXT = ("/cql2-text", "#cql2-text", ":cql2-text")
_CQL2_JSON = ("/cql2-json", "#cql2-json", ":cql2-json")
_FILTER = ("/item-search#filter", "/conf/filter")
_FREE_TEXT = ("/item-search#free-text", "/item-search#advanced-free-text")
_QUERY = ("/item-search#query",)

REQUIRED_CONFORMANCE = {"query": _QUERY, "filter": _FILTER, "q": _FREE_TEXT}
"""Ends of the conformance classes that criteria require. Any class is enough.

Servers without these classes ignore the parameters and return everything."""


@dataclass(frozen=True, slots=True)
class SearchEndpoint:
    """The search of a STAC API."""

    root: str
    """Root of the API."""

    hrefs: Mapping[str, str]
    """Href of the search by HTTP method: `GET`, `POST` or both."""

    conforms_to: Sequence[str]
    """Conformance classes of the API."""

    @classmethod
    def of(cls, root: str, landing: Mapping[str, Any]) -> SearchEndpoint:
        """Return the search that the root of an API links to.

        Args:
            root: Root of the API.
            landing: Document of the root.

        Raises:
            SourceError: No link to the search has a valid href.
        """
        hrefs: dict[str, str] = {}
        for link in links_of(landing):
            # APIs also link to search forms, and to descriptions of the search.
            if link["rel"] != "search" or _OTHER_TYPES.search(str(link.get("type"))):
                continue
            try:
                href = absolute_href(link["href"].partition("{")[0], root)
                href = with_scheme_of(href, URL(root))
            except HrefError:
                continue  # Another link may be valid.
            for method in _METHODS.findall(str(link.get("method")).upper()) or ["GET"]:
                hrefs[method] = href
        if not hrefs:
            raise SourceError(
                f"`source` '{redact_href(root)}' is a STAC API without search: no link 'search' of "
                "the root has a valid href. Use an API that supports item search."
            )
        conforms = landing.get("conformsTo")
        uris = conforms if isinstance(conforms, list) else []
        return cls(root, hrefs, [uri for uri in uris if isinstance(uri, str)])

    def supports(self, *ends: str) -> bool:
        """Return whether a conformance class of the API has one of these ends.

        Args:
            ends: Ends of conformance classes.
        """
        return any(uri.endswith(ends) for uri in self.conforms_to)

    def check(self, criteria: Criteria) -> None:
        """Check that the API supports the criteria of a search.

        Args:
            criteria: The search criteria.

        Raises:
            ConfigError: The API does not support a criterion, or the filter is invalid.
        """
        filter_of(criteria.filter)
        for name, ends in REQUIRED_CONFORMANCE.items():
            if getattr(criteria, name) and not self.supports(*ends):
                raise ConfigError(
                    f"`search.{name}` is not supported by the API '{redact_href(self.root)}': its "
                    "conformance classes do not include this extension. Leave the parameter out."
                )
        if "POST" not in self.hrefs:
            for name in criteria.collections:
                if "," in name:
                    raise ConfigError(
                        f"`search.collections` names '{name}', and the API "
                        f"'{redact_href(self.root)}' cannot search for an id with a comma, because "
                        "it has no search by POST. Search without this collection."
                    )


def search_requests(
    endpoint: SearchEndpoint, fields: Mapping[str, Any], io: StacApiIO
) -> list[ApiRequest]:
    """Return the requests that together are a search. Each request is for a first page.

    Args:
        endpoint: The search of the API.
        fields: Arguments of pystac-client's `ItemSearch`, and `q`.
        io: Required by pystac-client.

    Raises:
        ConfigError: The API cannot search for an id with a comma.
    """
    given = fields.get("filter")
    exact = any("," in name for name in (*(fields.get("ids") or ()),)) or any(
        "," in name for name in fields.get("collections") or ()
    )
    prefers_get = isinstance(given, str) and not exact and _reads_text(endpoint)
    if "GET" in endpoint.hrefs and (prefers_get or "POST" not in endpoint.hrefs):
        found = [_request(endpoint, "GET", some, io) for some in _for_urls(endpoint, fields)]
        if "POST" not in endpoint.hrefs or (
            len(found) == 1 and len(found[0].href) <= _MAX_URL_LENGTH
        ):
            return found
    return [post_request(endpoint, fields, io)]


def post_request(endpoint: SearchEndpoint, fields: Mapping[str, Any], io: StacApiIO) -> ApiRequest:
    """Return a search by POST. A filter in CQL2 text is converted to CQL2 JSON if possible.

    Args:
        endpoint: The search of the API, which supports POST.
        fields: Arguments of pystac-client's `ItemSearch`, and `q`.
        io: Required by pystac-client.
    """
    given = fields.get("filter")
    converted = _json_of(given) if isinstance(given, str) and _reads_json(endpoint) else None
    if converted is not None:
        fields = {**fields, "filter": converted, "filter_lang": "cql2-json"}
    return _request(endpoint, "POST", fields, io)


def filter_of(given: str | Mapping[str, Any] | None) -> dict[str, Any]:
    """Return the arguments of pystac-client for a filter.

    Args:
        given: The filter, as CQL2 text, CQL2 JSON, or text of CQL2 JSON.

    Raises:
        ConfigError: The filter is JSON, but not an object.
    """
    if given is None:
        return {}
    if isinstance(given, str):
        try:
            document = json.loads(given)
        except ValueError:
            return {"filter": given, "filter_lang": "cql2-text"}
        if not isinstance(document, dict):
            raise ConfigError(
                "`search.filter` is JSON, but not an object. Give a CQL2 filter as text or as a "
                "JSON object."
            )
        given = document
    return {"filter": dict(given), "filter_lang": "cql2-json"}


def _request(
    endpoint: SearchEndpoint, method: str, fields: Mapping[str, Any], io: StacApiIO
) -> ApiRequest:
    href = endpoint.hrefs[method]
    terms = fields.get("q")
    known = {name: value for name, value in fields.items() if name != "q"}
    parameters = ItemSearch(href, method=method, stac_io=io, **known).get_parameters()
    if terms:
        parameters = {**parameters, "q": _free_text(endpoint, method, terms)}
    return _search_request(href, method, parameters)


def _free_text(endpoint: SearchEndpoint, method: str, terms: Sequence[str]) -> str | list[str]:
    """Return the parameter `q`.

    Basic search has a list of terms, and advanced search has an expression.
    Source: https://github.com/stac-api-extensions/freetext-search
    """
    if not endpoint.supports(_FREE_TEXT[0]):
        return terms[0] if len(terms) == 1 else " OR ".join(f"({term})" for term in terms)
    listed = [part.strip() for term in terms for part in term.split(",") if part.strip()]
    return listed if method == "POST" else ",".join(listed)


def _for_urls(endpoint: SearchEndpoint, fields: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the arguments of GET searches that together find all ids.

    The parameter `ids` separates ids by commas, so ids with commas become a filter.

    Raises:
        ConfigError: The API supports no filter.
    """
    ids: Sequence[str] = fields.get("ids") or ()
    plain = [name for name in ids if "," not in name]
    special = [name for name in ids if "," in name]
    if special and not endpoint.supports(*_FILTER):
        raise ConfigError(
            f"`search.ids` has '{special[0]}', and the API '{redact_href(endpoint.root)}' cannot "
            "search for an id with a comma, because it supports neither POST nor filters. Search "
            "without this id."
        )
    searches = [{**fields, "ids": some} for some in _parts(plain)]
    searches += [
        {**fields, "ids": None, **_with_ids(fields.get("filter"), some)} for some in _parts(special)
    ]
    return list(searches) or [fields]


def _with_ids(given: str | Mapping[str, Any] | None, ids: Sequence[str]) -> dict[str, Any]:
    """Return the arguments for a filter that also requires the ids."""
    if given is not None and not isinstance(given, str):
        condition = {"op": "in", "args": [{"property": "id"}, list(ids)]}
        return filter_of({"op": "and", "args": [given, condition]})
    listed = ", ".join("'" + name.replace("'", "''") + "'" for name in ids)
    text = f"id IN ({listed})"
    return {"filter": f"({given}) AND {text}" if given else text, "filter_lang": "cql2-text"}


def _parts(names: Sequence[str]) -> Iterable[list[str]]:
    for start in range(0, len(names), _IDS_PER_URL):
        yield list(names[start : start + _IDS_PER_URL])


def _reads_text(endpoint: SearchEndpoint) -> bool:
    """Return whether an API may read CQL2 text, as far as it declares the languages."""
    return endpoint.supports(*_CQL2_TEXT) or not endpoint.supports(*_CQL2_JSON)


def _reads_json(endpoint: SearchEndpoint) -> bool:
    """Return whether an API may read CQL2 JSON, as far as it declares the languages."""
    return endpoint.supports(*_CQL2_JSON) or not endpoint.supports(*_CQL2_TEXT)


def _json_of(text: str) -> dict[str, Any] | None:
    """Return a filter in CQL2 text as CQL2 JSON, if the text can be parsed."""
    import cql2  # Rarely needed.

    try:
        converted: dict[str, Any] = cql2.parse_text(text).to_json()
    except Exception:  # The API is the judge of the filter, so send the text unchanged.
        return None
    return converted


def _search_request(href: str, method: str, parameters: Mapping[str, Any]) -> ApiRequest:
    """Return the first request of a search."""
    if method == "POST":
        return ApiRequest(href, method, dict(parameters))
    prepared = requests.Request("GET", href, params=dict(parameters)).prepare()
    return ApiRequest(prepared.url or href)
