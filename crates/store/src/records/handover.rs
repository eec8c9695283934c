//! Hands the results of a transaction to those who wait for them.

use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::sync::oneshot;

use super::Error;
use super::writer::{Outcome, Task};

type Committed = Result<Outcome, Error>;

/// Who wait, and what for. They hear it when this is dropped, wherever that is.
struct Answers {
    results: Vec<(oneshot::Sender<Committed>, Committed)>,
    /// What was asked for. It goes last, when nobody waits any more.
    _tasks: Vec<Task>,
}

impl Drop for Answers {
    fn drop(&mut self) {
        for (answer, result) in self.results.drain(..) {
            // A caller that went away does not take its commit back.
            drop(answer.send(result));
        }
    }
}

/// Where the callers run, as far as it is known.
pub(super) struct HandOver {
    runtime: Option<Handle>,
}

impl HandOver {
    /// For callers of the runtime in which this is called.
    pub(super) fn here() -> Self {
        // A runtime of one thread may wait for something else than its tasks.
        let runs_by_itself = |runtime: &Handle| runtime.runtime_flavor() == RuntimeFlavor::MultiThread;
        Self { runtime: Handle::try_current().ok().filter(runs_by_itself) }
    }

    /// Answers in order. From another thread each task is woken through the runtime's shared queue, and as often as not a
    /// thread with it, which cost more than all else that is done for a small commit. So they are woken from within, by a
    /// task that waits for nothing and ends with its first turn; should it have none, dropping it answers as well.
    ///
    /// What was written is freed there, too: the memory is that of the runtime's threads, who would wait for the writer's
    /// thread in the allocator, and it for them.
    pub(super) fn answer(
        &self,
        answers: Vec<oneshot::Sender<Committed>>,
        results: Vec<Committed>,
        tasks: Vec<Task>,
    ) {
        let answers = Answers { results: answers.into_iter().zip(results).collect(), _tasks: tasks };
        match &self.runtime {
            Some(runtime) if answers.results.len() > 1 => drop(runtime.spawn(async move { drop(answers) })),
            _ => drop(answers),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_waits_hears_it_while_the_runtime_runs_and_after_its_end() {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).build().unwrap();
        let hand_over = {
            let _inside = runtime.enter();
            HandOver::here()
        };
        let answered = || {
            let (answers, heard): (Vec<_>, Vec<_>) = (0..3).map(|_| oneshot::channel()).unzip();
            let results = (0..3).map(|number| Ok(Outcome::Writes(vec![number]))).collect();
            hand_over.answer(answers, results, Vec::new());
            let heard = heard.into_iter().map(|answer| answer.blocking_recv().unwrap().unwrap());
            heard.flat_map(|outcome| match outcome {
                Outcome::Writes(numbers) => numbers,
                Outcome::Mail(_) => Vec::new(),
            })
        };
        assert_eq!(answered().collect::<Vec<_>>(), [0, 1, 2]);
        drop(runtime);
        assert_eq!(answered().collect::<Vec<_>>(), [0, 1, 2]);
    }
}
