//! The unpack program at the server's wish.

use std::os::fd::OwnedFd;

use lambent_sandbox_protocol::{self as protocol, Failure, FromLauncher, Unpack, UnpackEnd};

use super::Service;
use crate::step::refused;
use crate::unpack::{Job, Materials, Who};

/// Each keeps a processor and a disk busy and may take 512 MB of memory. The server asks for no more at a time.
const MOST_JOBS: usize = 2;

impl Service {
    /// Starts the program, or answers why not.
    pub(super) fn unpack(&mut self, order: Unpack, fds: Vec<OwnedFd>) -> Result<(), protocol::Error> {
        match self.start_job(order, fds) {
            Ok(job) => {
                self.jobs.insert(order.id, job);
                Ok(())
            }
            Err(failure) => self.tell_unpacked(order.id, UnpackEnd::Failed(failure)),
        }
    }

    fn start_job(&mut self, order: Unpack, fds: Vec<OwnedFd>) -> Result<Job, Failure> {
        if self.jobs.contains_key(&order.id) {
            return Err(refused(format!("the work {} is under way already", order.id)));
        }
        if self.jobs.len() >= MOST_JOBS {
            return Err(refused(format!("{MOST_JOBS} packages are being unpacked already")));
        }
        let workshop = &mut self.workshop;
        let materials = Materials::check(fds, workshop.server)?;
        let who = Who::with(workshop.rights.take_ids()?, workshop.server);
        let started = Job::start(&workshop.unpack, order, materials, who);
        started.inspect_err(|_| workshop.rights.release(who.ids()))
    }

    /// Ends the program, if it still runs.
    pub(super) fn stop_unpack(&mut self, id: u64) -> Result<(), protocol::Error> {
        self.jobs.get(&id).map_or(Ok(()), Job::stop)
    }

    /// A program has ended.
    pub(super) fn read_job(&mut self, id: u64) -> Result<(), protocol::Error> {
        let Some(job) = self.jobs.remove(&id) else { return Ok(()) };
        let (end, ids) = job.end();
        self.workshop.rights.release(ids);
        self.tell_unpacked(id, end)
    }

    fn tell_unpacked(&mut self, id: u64, end: UnpackEnd) -> Result<(), protocol::Error> {
        self.tell(&FromLauncher::Unpacked { id, end }, &[])
    }
}
