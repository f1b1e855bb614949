//! HTTP: a page, its script and style, the state as JSON, a picture of each camera. Nothing can be changed.

use std::net::TcpListener;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, Query, Request};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde::Deserialize;

use super::state::{Look, State};

const PAGE: &str = include_str!("page.html");
const SCRIPT: &str = include_str!("page.js");
const STYLE: &str = include_str!("page.css");

/// Only what this server itself serves may run or be loaded.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; \
                      frame-ancestors 'none'; base-uri 'none'; form-action 'none'";

/// Serves until the process ends.
pub(super) async fn serve(listener: TcpListener, state: Arc<State>, is_open: bool) {
    let served = match tokio::net::TcpListener::from_std(listener) {
        Ok(listener) => axum::serve(listener, router(state, is_open)).await,
        Err(error) => Err(error),
    };
    if let Err(error) = served {
        tracing::error!("the dashboard ended: {error}");
    }
}

#[derive(Deserialize)]
struct Since {
    #[serde(default)]
    since: u64,
}

fn router(state: Arc<State>, is_open: bool) -> Router {
    let file = |kind: &'static str, text: &'static str| {
        get(move || async move { ([(header::CONTENT_TYPE, kind)], text) })
    };
    let pictures = Arc::clone(&state);
    Router::new()
        .route("/", file("text/html; charset=utf-8", PAGE))
        .route("/page.js", file("text/javascript; charset=utf-8", SCRIPT))
        .route("/page.css", file("text/css; charset=utf-8", STYLE))
        .route(
            "/api/state",
            get(move |Query(Since { since }): Query<Since>| async move { axum::Json(state.since(since)) }),
        )
        .route(
            "/api/cameras/{index}/picture",
            get(move |Path(index): Path<usize>| async move { picture(&pictures, index) }),
        )
        .layer(from_fn(move |request: Request, next: Next| guard(request, next, is_open)))
}

fn picture(state: &State, index: usize) -> Response {
    match state.look(index) {
        Look::Jpeg(jpeg) => ([(header::CONTENT_TYPE, "image/jpeg")], jpeg).into_response(),
        Look::NothingYet => StatusCode::NO_CONTENT.into_response(),
        Look::NoCamera => StatusCode::NOT_FOUND.into_response(),
    }
}

async fn guard(request: Request, next: Next, is_open: bool) -> Response {
    if !is_open && !names_this_machine(request.headers()) {
        // A page from elsewhere whose name was made to point here must not read what is for this machine.
        return (StatusCode::FORBIDDEN, "this page is for 127.0.0.1 and localhost only\n").into_response();
    }
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

fn names_this_machine(headers: &HeaderMap) -> bool {
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let name = host.map(|host| {
        host.rsplit_once(':').map_or(host, |(name, port)| {
            if port.bytes().all(|byte| byte.is_ascii_digit()) { name } else { host }
        })
    });
    matches!(name, Some("localhost" | "127.0.0.1" | "[::1]"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed(host: &str) -> bool {
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, HeaderValue::from_str(host).unwrap());
        names_this_machine(&headers)
    }

    #[test]
    fn only_names_of_this_machine_are_answered() {
        for host in ["localhost", "localhost:8080", "127.0.0.1:1", "[::1]:8080", "[::1]"] {
            assert!(allowed(host), "{host}");
        }
        for host in ["evil.example", "evil.example:8080", "127.0.0.1.evil.example", "localhost.evil:80", ""] {
            assert!(!allowed(host), "{host}");
        }
        assert!(!names_this_machine(&HeaderMap::new()));
    }
}
