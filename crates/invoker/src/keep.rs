//! Keeps environments initialised: provisioned concurrency, and stocks.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use lambent_environment::Status;
use lambent_model::{Bytes, EnvironmentId};

use crate::invoker::{Inner, Invoker};
use crate::known::{Entry, Known};
use crate::place::{Nobody, Refused, make_room};
use crate::pool::Purpose;
use crate::share::Concurrency;
use crate::standing::Standing;
use crate::starts::Turn;

/// Ages are looked at so often; everything else is told at once.
const LOOK_EVERY: Duration = Duration::from_secs(60);

impl Invoker {
    /// Has as many environments initialised as are configured, until `stop` resolves. Run it as a task.
    pub async fn keep(&self, stop: impl Future<Output = ()>) {
        let mut stop = std::pin::pin!(stop);
        loop {
            let now = Instant::now();
            let next = tokio::select! {
                () = &mut stop => return,
                next = self.inner.keep(now) => next,
            };
            tokio::select! {
                () = &mut stop => return,
                () = self.inner.kept.notified() => {}
                () = tokio::time::sleep_until(next.into()) => {}
            }
        }
    }
}

impl Inner {
    /// Starts and ends what there is to start and to end now. When to look again, if nothing happens before.
    async fn keep(self: &Arc<Self>, now: Instant) -> Instant {
        let (mut standing, mut arrived) = (Vec::new(), Vec::new());
        if !self.closed.load(Ordering::Acquire) {
            let functions = self.functions.read().unwrap_or_else(PoisonError::into_inner);
            for (arn, known) in &*functions {
                let pairs = known.standing();
                standing
                    .extend(pairs.map(|(entry, kept)| (arn.clone(), Arc::clone(entry), Arc::clone(kept))));
                if known.has_arrivals() {
                    arrived.push(arn.clone());
                }
            }
        }
        for arn in arrived {
            self.change(&arn, Known::arrive);
        }
        let mut next = now + LOOK_EVERY;
        for (arn, entry, kept) in standing {
            // While the version is being made there is nothing to start.
            if entry.record.state != lambent_lambda::State::Active {
                continue;
            }
            // What could not be replaced in time takes no more invocations all the same.
            if kept.purpose == Purpose::Invocations {
                kept.pool.retire_idle(Duration::MAX, now);
            }
            let (steps, wait) = kept.steps(self.options.lifetime, now);
            match kept.purpose {
                Purpose::Invocations => kept.pool.end(steps.end_starting, steps.end_ready),
                Purpose::Stock if steps.end_starting + steps.end_ready > 0 => kept.pool.end_stock(),
                Purpose::Stock => {}
            }
            for _ in 0..steps.start {
                // Behind those who wait for an environment.
                let turn = self.starts.turn().await;
                if self.closed.load(Ordering::Acquire) {
                    return next;
                }
                let function = entry.function(|record| (self.compose)(&arn, record));
                if let Err(refused) = self.start_ahead(&entry, &kept, function, turn) {
                    self.tell(&refused);
                    let promised = self.room().promised();
                    next = next.min(kept.full(promised > 0, Instant::now()));
                    break;
                }
            }
            next = next.min(wait.unwrap_or(next));
        }
        next
    }

    fn start_ahead(
        self: &Arc<Self>,
        entry: &Entry,
        kept: &Arc<Standing>,
        function: &Arc<lambent_environment::Function>,
        turn: Turn,
    ) -> Result<(), Refused> {
        let (now, estimate) = (Instant::now(), entry.estimate());
        let wanted = match kept.purpose {
            Purpose::Invocations => self.room().promised().saturating_add(estimate.bytes()),
            // Nothing is let go of for it.
            Purpose::Stock => 0,
        };
        let available = (self.available)(Bytes(wanted)).map(|available| available.0);
        let mut room = self.room();
        let need = match kept.purpose {
            Purpose::Invocations => make_room(estimate, &mut room, available, &**self, || Ok(())),
            // What is only perhaps needed takes nobody's place.
            Purpose::Stock => make_room(estimate, &mut room, available, &Nobody, || Ok(())),
        }?;
        let id = EnvironmentId::random(&*self.entropy);
        room.promise(id, need);
        drop(room);
        let (pool, share) = (Arc::clone(&kept.pool), Arc::clone(&entry.share));
        let concurrency = match kept.purpose {
            Purpose::Invocations => Concurrency::Provisioned,
            Purpose::Stock => Concurrency::OnDemand,
        };
        // Not the invoker itself, which owns the environments' tasks.
        let (invoker, notified) = (Arc::downgrade(self), Arc::clone(kept));
        let turn = Mutex::new(Some(turn));
        let note = move |id: EnvironmentId, status: Status| {
            let now = Instant::now();
            if matches!(status, Status::Initialised | Status::Ended) {
                drop(turn.lock().unwrap_or_else(PoisonError::into_inner).take());
            }
            let noted = pool.note(id, status, now);
            if noted.freed {
                share.release(concurrency);
            }
            if let Some(ahead) = noted.ahead {
                notified.started(ahead, now);
            }
            if let Some(invoker) = invoker.upgrade() {
                invoker.noted(id, status);
                if noted.ahead.is_some() || status == Status::Ended {
                    invoker.kept.notify_one();
                }
            }
        };
        let add = |handle| kept.pool.add_ahead(handle, kept.purpose, now);
        self.spawn(function, id, kept.initialization(), Arc::new(note), add);
        Ok(())
    }
}
