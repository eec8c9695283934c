//! A property over every typed operation: what a client encodes, the server routes and decodes to the same input.
//!
//! Inputs are made from the constraint tables by a seeded generator, so that a new operation is covered as soon as it
//! is generated.

use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::shape::{Bounds, Kind, Member, Place, Shape};
use crate::{
    Blob, Call, application_autoscaling, encode_request, events, iam, lambda, logs, scheduler, sns, sqs, sts,
};

const ROUNDS: u64 = 60;

/// SplitMix64 (Steele, Lea, Flood: "Fast Splittable Pseudorandom Number Generators"): small, and the same everywhere.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % bound as u64).unwrap()
    }

    fn between(&mut self, bounds: Bounds<i64>, span: i64) -> i64 {
        let min = bounds.min.unwrap_or(0);
        let max = bounds.max.unwrap_or(i64::MAX).min(min.saturating_add(span));
        min + i64::try_from(self.below(usize::try_from(max - min + 1).unwrap())).unwrap()
    }
}

/// Texts that satisfy the patterns in use, hostile to encoders where the pattern lets them be.
const SAMPLES: &[&str] = &[
    "arn:aws:lambda:us-east-1:000000000000:function:f",
    "arn:aws:lambda:us-east-1:000000000000:function:f:$LATEST",
    "arn:aws:iam::000000000000:role/path/r+=,.@-_",
    "arn:aws:kms:us-east-1:000000000000:key/k",
    "arn:aws:lambda:us-east-1:000000000000:layer:l:1",
    "arn:aws:lambda:us-east-1:000000000000:code-signing-config:csc-0123456789abcdef0",
    "arn:aws:lambda:us-east-1:000000000000:capacity-provider:c",
    "arn:aws:lambda:us-east-1:000000000000:runtime/abcdefgh",
    "arn:aws:elasticfilesystem:us-east-1:000000000000:access-point/fsap-00000000000000000",
    "/mnt/a.b-c_d",
    "subnet-0a",
    "sg-0aZ",
    "us-east-1",
    "$LATEST",
    "000000000000",
    "name-1_2",
    "NAME_1",
    "a b/c:d=e+f@g",
    "lambda:GetLayerVersion",
    "arn:aws:lambda:us-east-1:000000000000:function:f:1/durable-execution/name/id",
    "kafka-1.example.com:9092",
    "o-0123456789",
    "00000000-0000-4000-8000-000000000000",
    "arn:aws:lambda:us-east-1::runtime:0123456789abcdef",
    "/",
    "/path/of/more/",
    "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole",
    "v12",
    "lambda.amazonaws.com",
    "ASIAIOSFODNN7EXAMPLE",
    "123456",
    "arn:aws:application-autoscaling:us-east-1:000000000000:scalable-target/0e1a",
    "arn:aws:events:us-east-1:000000000000:event-bus/default",
    "arn:aws:events:us-east-1:000000000000:rule/r",
    "arn:aws:events:us-east-1:000000000000:archive/a",
    "arn:aws:events:us-east-1:000000000000:replay/r",
    "arn:aws:sqs:us-east-1:000000000000:q",
    "arn:aws:scheduler:us-east-1:000000000000:schedule-group/g",
    "aws.partner/a/b/c",
    "ABCabc0189+/=",
    "$.detail",
    "arn:aws:events:us-east-1:000000000000:event-bus/default",
    "arn:aws:events:us-east-1:000000000000:rule/r",
    "arn:aws:events:us-east-1:000000000000:archive/a",
    "arn:aws:events:us-east-1:000000000000:replay/r",
    "arn:aws:sqs:us-east-1:000000000000:q",
    "arn:aws:scheduler:us-east-1:000000000000:schedule-group/g",
    "aws.partner/a/b/c",
    "abcde.veo",
    "events:PutEvents",
    "ABCabc0189+/=",
    "$.detail",
    "é %2F&?#[]{}\"\\\u{1F525}",
    "",
];

fn text(shape: &Shape, place: Place, random: &mut Random) -> Value {
    let Kind::String { length, pattern, values } = &shape.kind else {
        unreachable!("called for strings alone")
    };
    if !values.is_empty() {
        return json!(values[random.below(values.len())]);
    }
    let fits = |text: &&&str| {
        let count = i64::try_from(text.chars().count()).unwrap();
        length.min.is_none_or(|min| count >= min)
            && length.max.is_none_or(|max| count <= max)
            && pattern.as_ref().is_none_or(|pattern| pattern.matches(text))
            // HTTP keeps neither an empty label nor, in every client, a header beyond ASCII.
            && (!matches!(place, Place::Label(_)) || !text.is_empty())
            && (!matches!(place, Place::Header(_)) || text.is_ascii())
    };
    let candidates: Vec<_> = SAMPLES.iter().filter(fits).collect();
    assert!(!candidates.is_empty(), "no sample fits {}; add one", shape.name);
    json!(candidates[random.below(candidates.len())])
}

fn value(shape: &Shape, place: Place, random: &mut Random) -> Value {
    match &shape.kind {
        Kind::String { .. } => text(shape, place, random),
        Kind::Blob { length } => {
            let bytes: Vec<u8> =
                (0..random.between(*length, 40)).map(|index| index.to_le_bytes()[0]).collect();
            serde_json::to_value(Blob::from(bytes)).unwrap()
        }
        Kind::Boolean => json!(random.below(2) == 0),
        Kind::Integer { range } => json!(random.between(*range, 400)),
        Kind::Long { range } => json!(random.between(*range, 1 << 50)),
        Kind::Double { range } => json!(range.min.unwrap_or(0.0) + 0.5),
        Kind::Timestamp if matches!(place, Place::Query(_)) => json!("2026-01-01T00:00:00.123Z"),
        Kind::Timestamp => json!(1_767_225_600.123),
        Kind::Document => json!({"any": [1, null]}),
        Kind::List { length, element, .. } => {
            let count = random.between(*length, 3);
            // A query string cannot tell an empty list from an absent one.
            let count = if matches!(place, Place::Query(_)) { count.max(1) } else { count };
            (0..count).map(|_| value(element, place, random)).collect()
        }
        Kind::Map { length, key, value: entry, .. } => {
            // A form cannot tell an empty map from an absent one.
            let count = random.between(*length, 3).max(1);
            let mut pair = || {
                let key = value(key, Place::Body, random);
                (key.as_str().expect("keys are text").to_owned(), value(entry, Place::Body, random))
            };
            let mut pairs = Map::new();
            // The same key may come more than once.
            for _ in 0..100 {
                if i64::try_from(pairs.len()).unwrap() == count {
                    break;
                }
                pairs.extend([pair()]);
            }
            Value::Object(pairs)
        }
        Kind::Structure { members } => structure(members, random),
    }
}

fn structure(members: &[Member], random: &mut Random) -> Value {
    let mut fields = Map::new();
    for member in members {
        // A body that is one structure is there in any case: absent, it is `{}` on the wire.
        let always = member.required || member.place == Place::WholeBody;
        if member.place != Place::RawBody && (always || random.below(3) > 0) {
            fields.insert(member.key.to_owned(), value(member.shape, member.place, random));
        }
    }
    Value::Object(fields)
}

fn check<C: Call>() {
    let operation = C::OPERATION;
    for seed in 0..ROUNDS {
        let mut random = Random(seed);
        let expected = structure(operation.members(), &mut random);
        let mut input = C::Input::deserialize(&expected).expect("the generator makes valid inputs");
        let payload = Bytes::from(seed.to_string());
        if let Some(slot) = C::input_payload(&mut input) {
            *slot = Some(payload.clone().into());
        }
        let context = format!("{} with seed {seed}: {expected}", operation.name);
        let (parts, body) = encode_request::<C>(&input).expect(&context).into_parts();
        let mut decoded = read::<C>(&parts, body, &context);
        let json = |input: &C::Input| serde_json::to_value(input).unwrap();
        assert_eq!(json(&decoded), json(&input), "{context}");
        // The generator's own value as a third witness: a member that serde drops would be missing on both sides.
        assert_eq!(
            json(&decoded).as_object().unwrap().len(),
            expected.as_object().unwrap().len(),
            "{context}"
        );
        if let Some(slot) = C::input_payload(&mut decoded) {
            assert_eq!(slot.as_ref().map(|blob| blob.bytes()), Some(&payload), "{context}");
        }
        if operation.service.forms {
            let form = crate::form::encode(operation, expected.as_object().unwrap());
            let parts = http::Request::post("/queue").body(()).unwrap().into_parts().0;
            let decoded = read::<C>(&parts, form.clone().into(), &form);
            assert_eq!(json(&decoded), json(&input), "{form}");
        }
    }
}

fn read<C: Call>(parts: &http::request::Parts, body: Bytes, context: &str) -> C::Input {
    let service = C::OPERATION.service;
    let matched = match service.dialect(&parts.headers).is_routed_by_body() {
        true => service.route_form(parts, &body),
        false => service.route(parts),
    };
    let matched = matched.expect(context);
    assert_eq!(matched.operation().name, C::OPERATION.name, "{context}");
    matched.decode::<C>(parts, body).expect(context)
}

macro_rules! round_trips {
    ($service:ident, $test:ident, $($operation:ident)+) => {
        #[test]
        fn $test() {
            $(check::<$service::op::$operation>();)+
            let typed = $service::SERVICE.operations.iter().filter(|operation| operation.typed).count();
            assert_eq!(typed, [$(stringify!($operation)),+].len(), "every typed operation belongs in this list");
        }
    };
}

round_trips!(lambda, lambda_inputs_survive_the_wire,
    AddLayerVersionPermission AddPermission CheckpointDurableExecution CreateAlias CreateCapacityProvider
    CreateCodeSigningConfig CreateEventSourceMapping CreateFunction CreateFunctionUrlConfig DeleteAlias
    DeleteCapacityProvider DeleteCodeSigningConfig DeleteDurableExecution DeleteEventSourceMapping DeleteFunction
    DeleteFunctionCodeSigningConfig DeleteFunctionConcurrency DeleteFunctionEventInvokeConfig
    DeleteFunctionUrlConfig DeleteLayerVersion DeleteProvisionedConcurrencyConfig DeleteResourcePolicy
    GetAccountSettings GetAlias GetCapacityProvider GetCodeSigningConfig GetDurableExecution
    GetDurableExecutionHistory GetDurableExecutionState GetEventSourceMapping GetFunction
    GetFunctionCodeSigningConfig GetFunctionConcurrency GetFunctionConfiguration GetFunctionEventInvokeConfig
    GetFunctionRecursionConfig GetFunctionScalingConfig GetFunctionUrlConfig GetLayerVersion GetLayerVersionByArn
    GetLayerVersionPolicy GetPolicy GetProvisionedConcurrencyConfig GetResourcePolicy GetRuntimeManagementConfig
    Invoke InvokeAsync InvokeWithResponseStream ListAliases ListCapacityProviders ListCodeSigningConfigs
    ListDurableExecutionsByFunction ListEventSourceMappings ListFunctionEventInvokeConfigs ListFunctionUrlConfigs
    ListFunctionVersionsByCapacityProvider ListFunctions ListFunctionsByCodeSigningConfig ListLayerVersions
    ListLayers ListProvisionedConcurrencyConfigs ListTags ListVersionsByFunction PauseDurableExecution
    PublishLayerVersion PublishVersion PutFunctionCodeSigningConfig PutFunctionConcurrency
    PutFunctionEventInvokeConfig PutFunctionRecursionConfig PutFunctionScalingConfig PutProvisionedConcurrencyConfig
    PutResourcePolicy PutRuntimeManagementConfig RemoveLayerVersionPermission RemovePermission
    ResumeDurableExecution SendDurableExecutionCallbackFailure SendDurableExecutionCallbackHeartbeat
    SendDurableExecutionCallbackSuccess StopDurableExecution TagResource UntagResource UpdateAlias
    UpdateCapacityProvider UpdateCodeSigningConfig UpdateEventSourceMapping UpdateFunctionCode
    UpdateFunctionConfiguration UpdateFunctionEventInvokeConfig UpdateFunctionUrlConfig);
round_trips!(application_autoscaling, application_autoscaling_inputs_survive_the_wire,
    DeleteScalingPolicy DeleteScheduledAction DeregisterScalableTarget DescribeScalableTargets
    DescribeScalingActivities DescribeScalingPolicies DescribeScheduledActions ListTagsForResource PutScalingPolicy
    PutScheduledAction RegisterScalableTarget TagResource UntagResource);
round_trips!(logs, logs_inputs_survive_the_wire,
    CreateLogGroup CreateLogStream DeleteLogGroup DeleteLogStream DeleteMetricFilter DeleteQueryDefinition
    DeleteResourcePolicy DeleteRetentionPolicy DeleteSubscriptionFilter DescribeLogGroups DescribeLogStreams
    DescribeMetricFilters DescribeQueries DescribeQueryDefinitions DescribeResourcePolicies
    DescribeSubscriptionFilters FilterLogEvents GetLogEvents GetLogGroupFields GetLogRecord GetQueryResults
    ListLogGroups ListTagsForResource ListTagsLogGroup PutLogEvents PutMetricFilter PutQueryDefinition
    PutResourcePolicy PutRetentionPolicy PutSubscriptionFilter StartLiveTail StartQuery StopQuery TagLogGroup
    TagResource TestMetricFilter UntagLogGroup UntagResource);
round_trips!(iam, iam_inputs_survive_the_wire,
    AttachRolePolicy CreatePolicy CreatePolicyVersion CreateRole DeletePolicy
    DeletePolicyVersion DeleteRole DeleteRolePermissionsBoundary DeleteRolePolicy DetachRolePolicy
    GetAccountSummary GetPolicy GetPolicyVersion GetRole GetRolePolicy GetUser ListAccountAliases
    ListAttachedRolePolicies ListEntitiesForPolicy ListInstanceProfilesForRole ListPolicies ListPolicyTags
    ListPolicyVersions ListRolePolicies ListRoleTags ListRoles PutRolePermissionsBoundary PutRolePolicy
    SetDefaultPolicyVersion TagPolicy TagRole UntagPolicy UntagRole UpdateAssumeRolePolicy UpdateRole
    UpdateRoleDescription);
round_trips!(sts, sts_inputs_survive_the_wire,
    AssumeRole DecodeAuthorizationMessage GetAccessKeyInfo GetCallerIdentity GetSessionToken);
round_trips!(events, events_inputs_survive_the_wire,
    CancelReplay CreateArchive CreateEventBus DeleteArchive DeleteEventBus DeleteRule DescribeArchive
    DescribeEventBus DescribeReplay DescribeRule DisableRule EnableRule ListArchives ListEventBuses ListReplays
    ListRuleNamesByTarget ListRules ListTagsForResource ListTargetsByRule PutEvents PutPermission PutRule PutTargets
    RemovePermission RemoveTargets StartReplay TagResource TestEventPattern UntagResource UpdateArchive
    UpdateEventBus);
round_trips!(scheduler, scheduler_inputs_survive_the_wire,
    CreateSchedule CreateScheduleGroup DeleteSchedule DeleteScheduleGroup GetSchedule GetScheduleGroup
    ListScheduleGroups ListSchedules ListTagsForResource TagResource UntagResource UpdateSchedule);
round_trips!(sns, sns_inputs_survive_the_wire,
    AddPermission ConfirmSubscription CreateTopic DeleteTopic GetDataProtectionPolicy GetSubscriptionAttributes
    GetTopicAttributes ListSubscriptions ListSubscriptionsByTopic ListTagsForResource ListTopics Publish PublishBatch
    RemovePermission SetSubscriptionAttributes SetTopicAttributes Subscribe TagResource Unsubscribe UntagResource);
round_trips!(sqs, sqs_inputs_survive_the_wire,
    AddPermission CancelMessageMoveTask ChangeMessageVisibility ChangeMessageVisibilityBatch CreateQueue DeleteMessage
    DeleteMessageBatch DeleteQueue GetQueueAttributes GetQueueUrl ListDeadLetterSourceQueues ListMessageMoveTasks
    ListQueueTags ListQueues PurgeQueue ReceiveMessage RemovePermission SendMessage SendMessageBatch
    SetQueueAttributes StartMessageMoveTask TagQueue UntagQueue);
