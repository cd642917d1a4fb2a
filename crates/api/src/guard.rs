//! Around every request: a bound on how many are answered at once, a smaller one on submissions among them, both shared by the
//! connections, and a deadline of the server's own.
//!
//! tonic answers a passed deadline with `CANCELLED`; the guard, inside of tonic's own timer and never later, answers with
//! `DEADLINE_EXCEEDED`.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tonic::body::Body;
use tonic::codegen::http::{HeaderMap, Request, Response};
use tower::{Layer, Service};

use crate::config::Config;
use crate::places::{Client, Kind, Place, Places};
use crate::reason::{RETRY_AFTER, Reason, refuse, refuse_for_now};

/// Health checks are answered also when the node sheds load: else it would look dead when it is busy.
const HEALTH_PATH: &str = "/grpc.health.v1.Health/";
/// The one unary call that may wait long.
const SUBMIT_PATH: &str = "/kvitto.v1.AnchoringService/Submit";
/// Longest value of a `grpc-timeout` header: 8 digits and a unit.
const TIMEOUT_CHARS_MAX: usize = 9;

#[derive(Clone)]
pub(crate) struct GuardLayer {
    requests: Places,
    submits: Places,
    request_max: Duration,
    submit_max: Duration,
}

#[derive(Clone)]
pub(crate) struct Guard<S> {
    inner: S,
    layer: GuardLayer,
}

impl GuardLayer {
    pub(crate) fn new(config: &Config) -> Self {
        Self {
            requests: Places::new(Kind::Request, config.requests_max),
            submits: Places::new(Kind::Submit, config.submits_max),
            request_max: config.request_max,
            submit_max: config.request_max + config.wait_max,
        }
    }

    /// Ends once no request waits for its answer.
    pub(crate) async fn quiet(&self) {
        self.requests.all_free().await;
    }
}

/// What a request holds until it is answered.
type Room = [Option<Place>; 2];

impl GuardLayer {
    /// Room for a request of this client with this path, if there is any.
    fn room(&self, client: &Client, path: &str) -> Option<Room> {
        if path.starts_with(HEALTH_PATH) {
            return Some([self.requests.take(client), None]);
        }
        let submit = if path == SUBMIT_PATH { Some(self.submits.take(client)?) } else { None };
        Some([Some(self.requests.take(client)?), submit])
    }
}

impl<S> Layer<S> for GuardLayer {
    type Service = Guard<S>;

    fn layer(&self, inner: S) -> Guard<S> {
        Guard { inner, layer: self.clone() }
    }
}

impl<S, B> Service<Request<B>> for Guard<S>
where
    S: Service<Request<B>, Response = Response<Body>>,
    S::Future: Send + 'static,
{
    type Response = Response<Body>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, S::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let path = request.uri().path();
        let Some(room) = self.layer.room(&Client::of(request.extensions()), path) else {
            let answer = refuse_for_now(Reason::Overloaded, RETRY_AFTER).into_http();
            return Box::pin(async { Ok(answer) });
        };
        let own_max = if path == SUBMIT_PATH { self.layer.submit_max } else { self.layer.request_max };
        let time = asked_timeout(request.headers()).map_or(own_max, |asked| asked.min(own_max));
        // The timer starts here, before tonic's: where both end together, this one is seen first.
        let timer = tokio::time::sleep(time);
        let answer = self.inner.call(request);
        Box::pin(async move {
            let _room = room;
            tokio::select! {
                biased;
                answer = answer => answer,
                () = timer => Ok(refuse(Reason::Deadline).into_http()),
            }
        })
    }
}

/// The client's `grpc-timeout`; what is not one is ignored, as tonic does.
fn asked_timeout(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get("grpc-timeout")?.to_str().ok().filter(|text| text.len() <= TIMEOUT_CHARS_MAX)?;
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let value: u64 = digits.parse().ok()?;
    match unit {
        "H" => Some(Duration::from_secs(value * 60 * 60)),
        "M" => Some(Duration::from_secs(value * 60)),
        "S" => Some(Duration::from_secs(value)),
        "m" => Some(Duration::from_millis(value)),
        "u" => Some(Duration::from_micros(value)),
        "n" => Some(Duration::from_nanos(value)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timeouts_of_clients_are_read_as_the_grpc_specification_has_them() {
        for (text, expected) in [
            ("2H", Some(Duration::from_secs(7200))),
            ("3M", Some(Duration::from_secs(180))),
            ("42S", Some(Duration::from_secs(42))),
            ("99999999m", Some(Duration::from_millis(99_999_999))),
            ("1u", Some(Duration::from_micros(1))),
            ("0n", Some(Duration::ZERO)),
            ("999999999m", None),
            ("m", None),
            ("", None),
            ("1", None),
            ("1s", None),
            ("-1S", None),
        ] {
            let headers = HeaderMap::from_iter([("grpc-timeout".parse().unwrap(), text.parse().unwrap())]);
            assert_eq!(asked_timeout(&headers), expected, "{text:?}");
        }
    }
}
