//! The function processes and the hand-over of events to them. No I/O but starting and ending processes.

use std::collections::{HashMap, VecDeque};
use std::process::{Child, Command, ExitStatus, Stdio};

use bytes::Bytes;
use tokio::sync::oneshot;

/// An event on its way to a function.
#[derive(Debug)]
pub(crate) struct Event {
    /// The invocation's id.
    pub(crate) id: u64,
    /// The payload.
    pub(crate) payload: Bytes,
}

/// What a function answered: its result or its error document.
pub(crate) type Answer = Result<Bytes, Bytes>;

/// Everything between the two sides, behind one lock that is never held across an await.
#[derive(Debug)]
pub(crate) struct Environments {
    program: Vec<String>,
    limit: usize,
    runtime_api: String,
    processes: Vec<Child>,
    /// Functions that wait for an event, the last one to have come first: its caches are warm.
    idle: Vec<oneshot::Sender<Event>>,
    /// Events that wait for a process that is starting or about to ask for its next event: one for each process at
    /// most, since there are as many connections as environments.
    queue: VecDeque<Event>,
    /// Those who wait for an answer.
    answers: HashMap<u64, oneshot::Sender<Answer>>,
    next_id: u64,
}

/// Why an event was not taken.
#[derive(Debug)]
pub(crate) enum Refused {
    /// As many environments as are allowed are busy.
    Busy,
    /// The program could not be started.
    Start(std::io::Error),
}

impl Environments {
    pub(crate) fn new(program: Vec<String>, limit: usize, runtime_api: String) -> Self {
        Self {
            program,
            limit,
            runtime_api,
            processes: Vec::new(),
            idle: Vec::new(),
            queue: VecDeque::new(),
            answers: HashMap::new(),
            next_id: 0,
        }
    }

    /// Hands an event to an idle function or starts one for it.
    pub(crate) fn dispatch(&mut self, payload: Bytes) -> Result<(u64, oneshot::Receiver<Answer>), Refused> {
        self.next_id += 1;
        let id = self.next_id;
        let mut event = Event { id, payload };
        loop {
            match self.idle.pop() {
                // A function whose connection is gone does not take it; the next one may.
                Some(function) => match function.send(event) {
                    Ok(()) => break,
                    Err(returned) => event = returned,
                },
                None => {
                    self.wait(event)?;
                    break;
                }
            }
        }
        let (sender, receiver) = oneshot::channel();
        self.answers.insert(id, sender);
        Ok((id, receiver))
    }

    /// Keeps an event until a function asks for it, and starts one if all are busy.
    fn wait(&mut self, event: Event) -> Result<(), Refused> {
        // A function that has answered and not yet asked again is about to: the fastest clients overtake it.
        if self.answers.len() >= self.processes.len() {
            if self.processes.len() == self.limit {
                return Err(Refused::Busy);
            }
            self.start().map_err(Refused::Start)?;
        }
        self.queue.push_back(event);
        Ok(())
    }

    /// The event for a function that asks for its next one, now or later.
    pub(crate) fn next(&mut self) -> oneshot::Receiver<Event> {
        let (sender, receiver) = oneshot::channel();
        match self.queue.pop_front() {
            // The receiver is in our hands, so that sending cannot fail.
            Some(event) => sender.send(event).expect("the receiver lives"),
            None => self.idle.push(sender),
        }
        receiver
    }

    /// Takes a function's answer. `false` if nobody waits for it.
    pub(crate) fn answer(&mut self, id: u64, answer: Answer) -> bool {
        self.answers.remove(&id).is_some_and(|client| client.send(answer).is_ok())
    }

    /// How the first process that ended did so.
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        self.processes.iter_mut().find_map(|process| process.try_wait().ok().flatten())
    }

    /// Ends all processes.
    pub(crate) fn stop(&mut self) {
        for mut process in self.processes.drain(..) {
            // Both fail only if the process has ended already.
            let _ = process.kill();
            let _ = process.wait();
        }
    }

    fn start(&mut self) -> std::io::Result<()> {
        let process = Command::new(&self.program[0])
            .args(&self.program[1..])
            .env("AWS_LAMBDA_RUNTIME_API", &self.runtime_api)
            .stdin(Stdio::null())
            // The relay's own output belongs to its caller.
            .stdout(Stdio::null())
            .spawn()?;
        self.processes.push(process);
        Ok(())
    }
}
