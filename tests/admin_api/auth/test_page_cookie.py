"""The cookie of the dashboard, and requests of other sites."""

from __future__ import annotations

import dataclasses
from collections.abc import Awaitable, Callable
from http.cookies import Morsel, SimpleCookie

import pytest

from admin_api.dependencies import Dependencies
from tests.support.admin_api import ADMIN, PASSWORD, USER, Api, Response

Serve = Callable[[Dependencies], Awaitable[Api]]

NAME = "mcp_gateway_token"
CREDENTIALS = {"email": USER, "password": PASSWORD}


def cookie_of(response: Response) -> Morsel[str]:
    assert response.status == 200, response
    return SimpleCookie(response.headers["Set-Cookie"])[NAME]


async def page_of(api: Api) -> Api:
    """Return a client that sends the cookie of a login, and the header of the page."""
    page = api.with_headers(X_Gateway_Page="1")
    cookie = cookie_of(await page.post("/api/auth/login", CREDENTIALS))
    return page.with_headers(Cookie=f"{NAME}={cookie.value}")


async def create(page: Api, **headers: str) -> Response:
    return await page.with_headers(**headers).post("/api/mcp-keys/create", {"key_name": "laptop"})


async def test_a_login_of_the_page_sets_a_cookie_and_returns_no_token(api: Api) -> None:
    response = await api.with_headers(X_Gateway_Page="1").post("/api/auth/login", CREDENTIALS)
    cookie = cookie_of(response)
    assert (cookie["httponly"], cookie["samesite"], cookie["path"]) == (True, "Strict", "/")
    assert cookie["secure"] == ""
    assert cookie["max-age"] == "43200"
    assert response.body == {"expires_in": 43200}


async def test_a_login_without_the_header_sets_no_cookie(api: Api) -> None:
    for headers in ({}, {"X_Gateway_Page": "0"}, {"X_Gateway_Page": ""}):
        response = await api.with_headers(**headers).post("/api/auth/login", CREDENTIALS)
        assert "Set-Cookie" not in response.headers
        assert response.body["access_token"]


async def test_the_cookie_is_secure_behind_a_trusted_proxy_with_https(api: Api) -> None:
    page = api.with_headers(X_Gateway_Page="1")
    for headers in ({"X_Forwarded_Proto": "https"}, {"Forwarded": "for=192.0.2.1;proto=https"}):
        assert cookie_of(await page.with_headers(**headers).post("/api/auth/login", CREDENTIALS))["secure"] is True


async def test_a_client_that_is_no_trusted_proxy_does_not_decide_about_the_cookie(
    serve: Serve, api: Api, deps: Dependencies
) -> None:
    direct = await serve(dataclasses.replace(deps, trusted_proxies=()))
    page = direct.with_headers(X_Gateway_Page="1", X_Forwarded_Proto="https", X_Forwarded_Prefix="/x")
    cookie = cookie_of(await page.post("/api/auth/login", CREDENTIALS))
    assert (cookie["secure"], cookie["path"]) == ("", "/")


async def test_the_cookie_follows_the_public_url(serve: Serve, api: Api, deps: Dependencies) -> None:
    public = await serve(dataclasses.replace(deps, admin_public_url="https://admin.example.com/team/gateway"))
    page = public.with_headers(X_Gateway_Page="1")
    inside = cookie_of(await page.post("/api/auth/login", CREDENTIALS))
    assert (inside["secure"], inside["path"]) == (True, "/")
    outside = cookie_of(await page.with_headers(Host="admin.example.com").post("/api/auth/login", CREDENTIALS))
    assert (outside["secure"], outside["path"]) == (True, "/team/gateway/")


async def test_the_page_reads_and_changes_by_cookie(api: Api) -> None:
    page = await page_of(api)
    assert (await page.get("/api/auth/me")).body["email"] == USER
    assert (await create(page)).status == 201


async def test_a_change_by_cookie_without_the_header_is_403_and_names_it(api: Api) -> None:
    page = await page_of(api)
    for value in ("", "0", "true"):
        response = await create(page, X_Gateway_Page=value)
        assert response.status == 403
        assert "X-Gateway-Page" in response.body["detail"]
        assert (await page.with_headers(X_Gateway_Page=value).get("/api/auth/me")).status == 200
    assert await page.keys() == []


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec_Fetch_Site": "cross-site"},
        {"Sec_Fetch_Site": "same-site"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "https://evil.example", "Sec_Fetch_Site": "cross-site"},
    ],
)
async def test_a_request_by_cookie_from_another_site_is_403(api: Api, headers: dict[str, str]) -> None:
    page = await page_of(api)
    assert (await create(page, **headers)).status == 403
    assert (await page.with_headers(**headers).get("/api/mcp-keys/list")).status == 403
    login = await page.with_headers(**headers).post("/api/auth/login", CREDENTIALS)
    assert (login.status, "Set-Cookie" in login.headers) == (403, False)
    assert await page.keys() == []


async def test_a_request_by_cookie_from_the_page_itself_is_accepted(api: Api) -> None:
    page = await page_of(api)
    own = str(api.client.make_url("/")).rstrip("/")
    for headers in ({"Sec_Fetch_Site": "same-origin", "Origin": own}, {"Sec_Fetch_Site": "none"}, {"Origin": own}):
        assert (await create(page, **headers)).status == 201
    behind = {"X_Forwarded_Proto": "https", "X_Forwarded_Host": "admin.example.com"}
    assert (await create(page, Origin="https://admin.example.com", **behind)).status == 201


async def test_authorization_wins_over_the_cookie(api: Api) -> None:
    page, admin = await page_of(api), await api.logged_in(ADMIN)
    both = page.with_token(admin.token).with_headers(X_Gateway_Page="0")
    assert (await both.get("/api/auth/me")).body["email"] == ADMIN
    assert (await create(both)).status == 201
    assert (await page.with_token("junk").get("/api/auth/me")).status == 401
    refreshed = await both.with_headers(X_Gateway_Page="1").post("/api/auth/refresh", {})
    assert refreshed.body["access_token"]


async def test_a_refresh_and_a_new_password_by_cookie_set_a_new_cookie(api: Api) -> None:
    page = await page_of(api)
    change = {"current_password": PASSWORD, "new_password": "another good one"}
    for path, body in (("refresh", {}), ("password", change)):
        response = await page.post(f"/api/auth/{path}", body)
        assert "access_token" not in response.body
        assert (await page.get("/api/auth/me")).status == 401
        page = page.with_headers(Cookie=f"{NAME}={cookie_of(response).value}")
        assert (await page.get("/api/auth/me")).status == 200


async def test_a_logout_by_cookie_ends_the_session_and_removes_the_cookie(api: Api) -> None:
    page = await page_of(api)
    cookie = cookie_of(await page.post("/api/auth/logout", {}))
    assert (cookie.value, cookie["max-age"], cookie["path"]) == ("", "0", "/")
    assert (await page.get("/api/auth/me")).status == 401


async def test_an_invalid_cookie_is_401(api: Api) -> None:
    for value in ("", "junk", "a.b.c"):
        assert (await api.with_headers(Cookie=f"{NAME}={value}").get("/api/auth/me")).status == 401
