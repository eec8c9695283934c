//! The kinds of event sources.

use serde::{Deserialize, Serialize};

use crate::Refusal;

/// A kind of event source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum SourceKind {
    /// A queue of SQS.
    Sqs {
        /// Whether it keeps the order.
        fifo: bool,
    },
    /// A stream of Kinesis, or a consumer of one.
    Kinesis,
    /// A stream of DynamoDB.
    DynamoDb,
    /// A topic of a cluster of Amazon MSK.
    Msk,
    /// A topic of another Kafka cluster.
    SelfManagedKafka,
    /// A queue of a broker of Amazon MQ.
    Mq,
    /// The change stream of a DocumentDB cluster.
    DocumentDb,
}

impl SourceKind {
    /// The kind of the source of a request.
    ///
    /// # Errors
    /// When there is none, two, or one of a service that is no event source.
    pub fn of(arn: Option<&str>, self_managed: bool) -> Result<Self, Refusal> {
        let unknown = || Refusal::InvalidParameter("Unrecognized event source.".into());
        let Some(arn) = arn else {
            return if self_managed { Ok(Self::SelfManagedKafka) } else { Err(unknown()) };
        };
        if self_managed {
            return Err(unknown());
        }
        let parts: Vec<&str> = arn.splitn(6, ':').collect();
        let ["arn", _, service, _, _, resource] = parts[..] else { return Err(unknown()) };
        match service {
            "sqs" => Ok(Self::Sqs { fifo: resource.ends_with(".fifo") }),
            "kinesis" if resource.starts_with("stream/") => Ok(Self::Kinesis),
            "dynamodb" if resource.contains("/stream/") => Ok(Self::DynamoDb),
            "kafka" => Ok(Self::Msk),
            "mq" => Ok(Self::Mq),
            "rds" if resource.starts_with("cluster:") => Ok(Self::DocumentDb),
            _ => Err(unknown()),
        }
    }

    /// Kinesis and DynamoDB: shards, checkpoints, records that age.
    #[must_use]
    pub fn is_stream(self) -> bool {
        matches!(self, Self::Kinesis | Self::DynamoDb)
    }

    /// Kafka of either kind.
    #[must_use]
    pub fn is_kafka(self) -> bool {
        matches!(self, Self::Msk | Self::SelfManagedKafka)
    }

    /// Whether there is a poller for it here.
    #[must_use]
    pub fn is_polled(self) -> bool {
        self.is_queue()
    }

    /// Whether it is SQS.
    #[must_use]
    pub fn is_queue(self) -> bool {
        matches!(self, Self::Sqs { .. })
    }
}
