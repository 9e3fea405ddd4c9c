//! Signals, as futures.

use tokio::signal::unix::{SignalKind, signal};

/// Returns when SIGINT (Ctrl-C) arrives; never, where signals cannot be had.
pub async fn interrupted() {
    wait_for(SignalKind::interrupt()).await;
}

/// Returns when somebody wants a running mount to stop: SIGINT, SIGTERM, or SIGHUP from a closed terminal.
pub async fn asked_to_stop() {
    tokio::select! {
        () = wait_for(SignalKind::interrupt()) => {}
        () = wait_for(SignalKind::terminate()) => {}
        () = wait_for(SignalKind::hangup()) => {}
    }
}

async fn wait_for(kind: SignalKind) {
    match signal(kind) {
        Ok(mut arrivals) => drop(arrivals.recv().await),
        Err(error) => {
            tracing::warn!(%error, "a signal cannot be waited for");
            std::future::pending().await
        }
    }
}
