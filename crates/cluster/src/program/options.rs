//! The options that all such programs share.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::Args;
use longshore_cli::amount;

use crate::engine::Settings;
use crate::id::JobId;
use crate::nats::Access;

/// Which batch of which broker, and as which user.
#[derive(Clone, Debug, Args)]
pub struct BrokerOptions {
    /// Addresses of NATS servers, separated by commas: nats://host:4222, tls://host [default: LONGSHORE_NATS]
    #[arg(long, value_name = "URL", help_heading = "Broker")]
    pub nats: Option<String>,

    /// The name of the batch [default: LONGSHORE_BATCH, or the program's name]
    #[arg(long, value_name = "NAME", help_heading = "Broker")]
    pub batch: Option<JobId>,

    /// The user [default: LONGSHORE_NATS_USER]; LONGSHORE_NATS_PASSWORD is the password, and
    /// LONGSHORE_NATS_TOKEN a token
    #[arg(long, value_name = "NAME", help_heading = "Broker")]
    pub nats_user: Option<String>,

    /// A credentials file [default: LONGSHORE_NATS_CREDENTIALS]
    #[arg(long, value_name = "FILE", help_heading = "Broker")]
    pub nats_credentials: Option<PathBuf>,

    /// Certificates of authorities to trust, in PEM [default: LONGSHORE_NATS_CA]
    #[arg(long, value_name = "FILE", help_heading = "Broker")]
    pub nats_ca: Option<PathBuf>,

    /// This client's certificate, in PEM [default: LONGSHORE_NATS_CERT]
    #[arg(long, value_name = "FILE", help_heading = "Broker")]
    pub nats_cert: Option<PathBuf>,

    /// The key of --nats-cert, in PEM [default: LONGSHORE_NATS_KEY]
    #[arg(long, value_name = "FILE", help_heading = "Broker")]
    pub nats_key: Option<PathBuf>,
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

impl BrokerOptions {
    /// What the options say, or else the environment.
    pub(super) fn access(&self, program: &str) -> Result<(Access, JobId)> {
        let Some(servers) = self.nats.clone().or_else(|| variable("LONGSHORE_NATS")) else {
            bail!("no broker: --nats URL or LONGSHORE_NATS names it");
        };
        let batch = match (&self.batch, variable("LONGSHORE_BATCH")) {
            (Some(batch), _) => batch.clone(),
            (None, Some(text)) => text.parse().context("LONGSHORE_BATCH")?,
            (None, None) => program.parse()?,
        };
        let path =
            |option: &Option<PathBuf>, name| option.clone().or_else(|| variable(name).map(PathBuf::from));
        let certificate = path(&self.nats_cert, "LONGSHORE_NATS_CERT");
        let key = path(&self.nats_key, "LONGSHORE_NATS_KEY");
        if certificate.is_some() != key.is_some() {
            bail!("a certificate and its key belong together: --nats-cert, --nats-key");
        }
        let access = Access {
            servers,
            user: self.nats_user.clone().or_else(|| variable("LONGSHORE_NATS_USER")),
            password: variable("LONGSHORE_NATS_PASSWORD"),
            token: variable("LONGSHORE_NATS_TOKEN"),
            credentials: path(&self.nats_credentials, "LONGSHORE_NATS_CREDENTIALS"),
            authority: path(&self.nats_ca, "LONGSHORE_NATS_CA"),
            certificate: certificate.zip(key),
        };
        Ok((access, batch))
    }
}

/// How jobs are published.
#[derive(Clone, Debug, Args)]
pub struct PushOptions {
    /// Go on with the batch: publish what is neither made nor queued
    #[arg(long, help_heading = "Batch")]
    pub resume: bool,

    /// Delete a batch of the same name first
    #[arg(long, conflicts_with = "resume", help_heading = "Batch")]
    pub replace: bool,

    /// Wait until the batch is complete, and publish again what was lost
    #[arg(long, help_heading = "Batch")]
    pub wait: bool,

    /// How long a job belongs to a worker that says nothing more, at least 1s
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = lease, help_heading = "Batch")]
    pub lease: Duration,

    /// Copies of the queue and the records, on as many servers
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=5))]
    #[arg(help_heading = "Batch")]
    pub replicas: u8,
}

impl PushOptions {
    /// The settings of a new batch.
    pub fn settings(&self) -> Settings {
        Settings { lease: self.lease, replicas: usize::from(self.replicas) }
    }
}

fn lease(text: &str) -> Result<Duration, String> {
    match amount::duration(text) {
        Ok(time) if time >= Duration::from_secs(1) => Ok(time),
        Ok(_) => Err(format!("'{text}' is less than 1s")),
        Err(error) => Err(error.to_string()),
    }
}

/// How a worker works.
#[derive(Clone, Debug, Args)]
pub struct WorkOptions {
    /// The worker's name [default: the machine's name and the number of the process]
    #[arg(long, value_name = "NAME", help_heading = "Worker")]
    pub worker: Option<JobId>,

    /// Stay when the batch is complete, for what is published later
    #[arg(long, help_heading = "Worker")]
    pub stay: bool,

    /// How often a job is begun before it is a dead letter
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=100))]
    #[arg(help_heading = "Worker")]
    pub attempts: u32,

    /// How long a job may run before it is a dead letter [default: as long as it takes]
    #[arg(long, value_name = "TIME", value_parser = amount::duration, help_heading = "Worker")]
    pub job_limit: Option<Duration>,

    /// How long jobs that run may go on after a stop [default: until they end]
    #[arg(long, value_name = "TIME", value_parser = amount::duration, help_heading = "Worker")]
    pub grace: Option<Duration>,
}

/// What is shown of a batch.
#[derive(Clone, Debug, Args)]
pub struct StatusOptions {
    /// Of which batch.
    #[command(flatten)]
    pub broker: BrokerOptions,

    /// Show it again every 2 s until the batch is complete
    #[arg(long)]
    pub watch: bool,

    /// Print one JSON object (with --watch one for each look, on a line of its own)
    #[arg(long)]
    pub json: bool,

    /// Write a page with a lane for each thread of each worker
    #[arg(long, value_name = "FILE.html")]
    pub report: Option<PathBuf>,
}

/// Which job is explained.
#[derive(Clone, Debug, Args)]
pub struct ExplainOptions {
    /// Of which batch.
    #[command(flatten)]
    pub broker: BrokerOptions,

    /// The name of the job, as `push --list` and `status` print it
    pub id: JobId,

    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
}
