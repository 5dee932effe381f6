//! What rmcp's client does when a session dies, for `benches/recovery.py`.
//!
//! `rmcp-recovery URL COUNT SECONDS`: connects, begins a slow call that takes so many seconds
//! (none if 0), says `ready`, waits for a line, makes so many calls at once, and prints a JSON
//! object: milliseconds to the first and to the last answer, how many failed, and how the slow
//! call ended and after how long.

use std::error::Error;
use std::io::{self, BufRead};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rmcp::model::CallToolRequestParams;
use rmcp::serve_client;
use rmcp::service::{RoleClient, RunningService};
use rmcp::transport::StreamableHttpClientTransport;
use serde_json::json;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    let mut arguments = std::env::args().skip(1);
    let url = arguments.next().ok_or("the URL is missing")?;
    let count: usize = arguments.next().ok_or("the count is missing")?.parse()?;
    let seconds: f64 = arguments.next().ok_or("the seconds are missing")?.parse()?;
    let client = Arc::new(serve_client((), StreamableHttpClientTransport::from_uri(url)).await?);
    call(Arc::clone(&client), "echo", 0.0).await?;

    let begun = Instant::now();
    let slow = (seconds > 0.0).then(|| {
        let client = Arc::clone(&client);
        tokio::spawn(async move {
            let ended = call(client, "slow", seconds).await;
            (ended.map_err(|error| error.to_string()).err(), begun.elapsed())
        })
    });
    tokio::time::sleep(Duration::from_millis(200)).await;
    println!("ready");
    tokio::task::spawn_blocking(|| io::stdin().lock().lines().next()).await?;

    let begun = Instant::now();
    let calls: Vec<_> = (0..count)
        .map(|_| {
            let client = Arc::clone(&client);
            tokio::spawn(async move { (call(client, "echo", 0.0).await.is_ok(), begun.elapsed()) })
        })
        .collect();
    let mut times = Vec::with_capacity(count);
    let mut failed = 0;
    for ended in calls {
        let (answered, time) = ended.await?;
        if answered {
            times.push(time.as_secs_f64() * 1e3);
        } else {
            failed += 1;
        }
    }
    times.sort_by(f64::total_cmp);
    let (error, after) = match slow {
        Some(slow) => {
            let (error, after) = slow.await?;
            (error, Some(after.as_secs_f64() * 1e3))
        }
        None => (None, None),
    };
    println!(
        "{}",
        json!({
            "first": times.first(), "last": times.last(), "failed": failed,
            "slow_error": error, "slow_after": after,
        })
    );
    Ok(())
}

async fn call(
    client: Arc<RunningService<RoleClient, ()>>,
    tool: &'static str,
    seconds: f64,
) -> Result<(), Box<dyn Error + Send + Sync>> {
    let arguments = json!({"seconds": seconds}).as_object().cloned().unwrap_or_default();
    client.call_tool(CallToolRequestParams::new(tool).with_arguments(arguments)).await?;
    Ok(())
}
