//! Many statements over a stream: answers in any order, breaks, "send it again", liars, and speed.

use std::collections::{BTreeSet, VecDeque};
use std::time::{Duration, Instant};

use futures::{FutureExt, StreamExt, stream};
use kvitto_api::testing::MemoryNode;
use kvitto_client::{Answer, Client, ClientError, ManyOptions, Options};
use kvitto_proto::v1::{StatementResult, StatementState, SubmitStreamResult};
use tonic::{Code, Status};

use crate::retry::error;
use crate::script::{Play, Script, answer, finished, item, statement, unavailable};
use crate::{client, options, trust};

/// The indexes that were answered, in order, and how it ended.
async fn run(client: &Client, count: u64, in_flight: usize) -> (Vec<u64>, Option<ClientError>) {
    let options = ManyOptions { in_flight, receipts: false };
    let mut answers = client.submit_many(stream::iter((0..count).map(statement)), options);
    let mut indexes = Vec::new();
    while let Some(answered) = answers.next().await {
        match answered {
            Ok(answered) => {
                assert_eq!(answered.id, statement(answered.index).id());
                assert!(matches!(answered.answer, Answer::Final(_)));
                indexes.push(answered.index);
            }
            Err(error) => return (indexes, Some(error)),
        }
    }
    (indexes, None)
}

async fn at(play: Play) -> (Script, Client) {
    let node = MemoryNode::new(1);
    let (script, url) = Script::start(play).await;
    (script, client(&node, &[url]))
}

fn each_once(indexes: Vec<u64>, count: u64) {
    assert_eq!(indexes.len() as u64, count);
    assert_eq!(indexes.into_iter().collect::<BTreeSet<_>>(), (0..count).collect());
}

#[tokio::test]
async fn answers_out_of_order_find_their_statements() {
    let (_, client) = at(|_, mut requests, answers| {
        async move {
            let mut held = Vec::new();
            while let Ok(Some(request)) = requests.message().await {
                held.push(finished(&request));
                if held.len() == 10 {
                    held.reverse();
                    answer(&answers, std::mem::take(&mut held)).await;
                }
            }
        }
        .boxed()
    })
    .await;
    let (indexes, error) = run(&client, 100, 10).await;
    assert!(error.is_none());
    assert_eq!(indexes[..10], [9, 8, 7, 6, 5, 4, 3, 2, 1, 0]);
    each_once(indexes, 100);
}

#[tokio::test]
async fn no_more_statements_are_under_way_than_allowed() {
    let (_, client) = at(|_, mut requests, answers| {
        async move {
            let mut held = VecDeque::new();
            loop {
                // Everything that is here already counts before the next answer lets more through.
                while let Some(Ok(Some(request))) = requests.message().now_or_never() {
                    held.push_back(finished(&request));
                }
                if held.len() > 4 {
                    let _ = answers.send(Err(Status::data_loss("too many under way"))).await;
                    return;
                }
                match held.pop_front() {
                    Some(oldest) => answer(&answers, vec![oldest]).await,
                    None => match requests.message().await {
                        Ok(Some(request)) => held.push_back(finished(&request)),
                        _ => return,
                    },
                }
            }
        }
        .boxed()
    })
    .await;
    let (indexes, error) = run(&client, 200, 4).await;
    assert!(error.is_none(), "{error:?}");
    each_once(indexes, 200);
}

#[tokio::test]
async fn what_a_broken_stream_leaves_open_is_sent_again_and_answered_once() {
    let (script, client) = at(|number, mut requests, answers| {
        async move {
            let mut taken = 0;
            while let Ok(Some(request)) = requests.message().await {
                taken += 1;
                // Each of the first streams answers three and breaks: with an error, or without a word.
                match (number, taken) {
                    (0, 4) => {
                        let _ = answers.send(Err(error(Code::Unavailable, "DRAINING", None))).await;
                        return;
                    }
                    (1, 4) => return,
                    _ => answer(&answers, vec![finished(&request)]).await,
                }
            }
        }
        .boxed()
    })
    .await;
    let (indexes, error) = run(&client, 40, 16).await;
    assert!(error.is_none(), "{error:?}");
    each_once(indexes, 40);
    assert_eq!(script.streams(), 3);
}

#[tokio::test]
async fn a_statement_that_a_node_could_not_take_is_sent_again() {
    let (script, client) = at(|_, mut requests, answers| {
        async move {
            let mut seen = BTreeSet::new();
            while let Ok(Some(request)) = requests.message().await {
                let first = seen.insert(request.tag);
                answer(&answers, vec![if first { unavailable(&request) } else { finished(&request) }]).await;
            }
        }
        .boxed()
    })
    .await;
    let (indexes, error) = run(&client, 30, 8).await;
    assert!(error.is_none(), "{error:?}");
    each_once(indexes, 30);
    assert_eq!(script.streams(), 1);
}

#[tokio::test]
async fn the_next_node_takes_over() {
    let node = MemoryNode::new(1);
    let dead: Play = |_, _, answers| {
        async move {
            let _ = answers.send(Err(error(Code::Unavailable, "DRAINING", None))).await;
        }
        .boxed()
    };
    let alive: Play = |_, mut requests, answers| {
        async move {
            while let Ok(Some(request)) = requests.message().await {
                answer(&answers, vec![finished(&request)]).await;
            }
        }
        .boxed()
    };
    let ((first, first_url), (second, second_url)) = (Script::start(dead).await, Script::start(alive).await);
    let client = client(&node, &[first_url, second_url]);
    let (indexes, error) = run(&client, 20, 4).await;
    assert!(error.is_none(), "{error:?}");
    each_once(indexes, 20);
    assert_eq!((first.streams(), second.streams()), (1, 1));
}

#[tokio::test]
async fn an_answer_about_another_statement_ends_the_stream() {
    let (_, client) = at(|_, mut requests, answers| {
        async move {
            while let Ok(Some(request)) = requests.message().await {
                let result = StatementResult {
                    statement_id: vec![9; 32].into(),
                    state: StatementState::Accepted.into(),
                    ..StatementResult::default()
                };
                let result =
                    SubmitStreamResult { tag: request.tag, result: Some(result), ..Default::default() };
                answer(&answers, vec![item(result)]).await;
            }
        }
        .boxed()
    })
    .await;
    let (_, error) = run(&client, 5, 4).await;
    assert!(matches!(&error, Some(ClientError::BadAnswer { .. })), "{error:?}");
}

#[tokio::test]
async fn silence_and_nobody_at_all_end_with_an_error() {
    let node = MemoryNode::new(1);
    let (_, silent) = Script::start(|_, mut requests, answers| {
        async move {
            while let Ok(Some(_)) = requests.message().await {}
            drop(answers);
        }
        .boxed()
    })
    .await;
    let options = || Options {
        final_for: Duration::from_millis(50),
        retry_for: Duration::from_millis(20),
        ..options(&node)
    };
    let client = Client::connect(&[silent], trust(&node), options()).unwrap();
    let (_, error) = run(&client, 5, 4).await;
    assert_eq!(error.expect("silence").reason(), "NOT_FINAL_YET");
    let client = Client::connect(&["http://127.0.0.1:1"], trust(&node), options()).unwrap();
    let (_, error) = run(&client, 5, 4).await;
    assert!(matches!(&error, Some(ClientError::Unavailable(_))), "{error:?}");
}

#[tokio::test]
async fn nothing_to_send_is_nothing_to_connect_for() {
    let node = MemoryNode::new(1);
    let client = client(&node, &["http://127.0.0.1:1".to_owned()]);
    let (indexes, error) = run(&client, 0, 4).await;
    assert!(indexes.is_empty() && error.is_none());
}

/// A floor far below what is usual, so that only a mistake of kind (a wait for each answer) falls under it.
#[tokio::test]
async fn thousands_of_statements_a_second_go_through() {
    let (_, client) = at(|_, mut requests, answers| {
        async move {
            let mut held = Vec::new();
            while let Ok(Some(request)) = requests.message().await {
                held.push(finished(&request));
                while held.len() < 256
                    && let Some(Ok(Some(request))) = requests.message().now_or_never()
                {
                    held.push(finished(&request));
                }
                answer(&answers, std::mem::take(&mut held)).await;
            }
        }
        .boxed()
    })
    .await;
    let before = Instant::now();
    let (indexes, error) = run(&client, 20_000, 4096).await;
    assert!(error.is_none(), "{error:?}");
    each_once(indexes, 20_000);
    let elapsed = before.elapsed();
    println!("{:.0} statements/s", 20_000.0 / elapsed.as_secs_f64());
    assert!(elapsed < Duration::from_secs(20), "{elapsed:?}");
}
