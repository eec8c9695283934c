//! Carrying out what the machine says, where it takes more than a line.

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use lambent_model::{Completed, Invocation, Outcome, Report};

use super::{Chore, Core};
use crate::StartError;
use crate::api::Delivery;
use crate::machine::{Event, Start};

impl Core {
    pub(super) fn freeze_at(&mut self, at: Instant) {
        if !self.freeze_queued {
            self.freeze_queued = true;
            self.world.freezer.queue(at, self.shared.clone());
        }
    }

    pub(super) fn freeze(&mut self) {
        self.drain();
        let Some(grip) = &self.sandbox else { return };
        if let Err(error) = grip.control.freeze() {
            self.fail(&format!("it could not be frozen: {error}"));
        }
    }

    pub(super) fn start_runtime(&mut self) -> Option<Event> {
        if let Some(snapshot) = self.snapshot.take() {
            self.chores.push(Chore::Restore(snapshot));
            return None;
        }
        let grip = self.sandbox.as_mut()?;
        if std::mem::take(&mut grip.told) {
            self.chores.push(Chore::GoOn);
            return None;
        }
        match self.function.plan.program(&grip.placement) {
            Ok(program) => {
                self.chores.push(Chore::Start(program));
                None
            }
            Err(StartError { error_type, message }) => {
                self.advise(&message);
                Some(Event::StartFailed { failure: Start { error_type, message } })
            }
        }
    }

    pub(super) fn deliver(&mut self, invocation: &Arc<Invocation>, deadline: Instant) {
        let remaining = deadline.saturating_duration_since(Instant::now());
        let deadline_ms = self.world.clock.now().plus(remaining).millis();
        // Nobody polling (the connection broke): the runtime asks again and is given the same event.
        while let Some(poller) = self.pollers.pop() {
            let thaw = self.thaw.take();
            let delivery = Delivery { invocation: Arc::clone(invocation), deadline_ms, thaw };
            match poller.send(delivery) {
                Ok(()) => return,
                Err(delivery) => self.thaw = delivery.thaw,
            }
        }
    }

    pub(super) fn answer(&mut self, outcome: Outcome, report: Option<Report>) {
        let log_tail = self.log.tail.take().map(Bytes::from);
        (self.taker, self.streaming) = (None, false);
        if let Some(caller) = self.caller.take() {
            // Nobody waits any more: the invocation ran all the same.
            let _gone = caller.send(Ok(Completed { outcome, report, log_tail }));
        }
    }
}
