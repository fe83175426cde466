// Made from the contracts by tools/web_client.py. Do not edit.

import { type Download, download, type Upload, upload } from "./transfers";
import { type Stream as ServerStream, stream, type Unary, unary } from "./transport";

/** What happens when its time is over. */
export type AllocationEndAction = "END_ACTION_UNSPECIFIED" | "STOP" | "DELETE";

/** What is so. States that end in -ING are on their way to another one, and have a deadline. */
export type AllocationState =
  | "STATE_UNSPECIFIED"
  | "PENDING"
  | "PROVISIONING"
  | "READY"
  | "STOPPING"
  | "STOPPED"
  | "STARTING"
  | "UNKNOWN"
  | "FAILED"
  | "DELETING"
  | "DELETED"
  | "UNHEALTHY";

/** The states that can be asked for. */
export type DesiredState = "STATE_UNSPECIFIED" | "RUNNING" | "STOPPED" | "DELETED";

/** How a report is written. */
export type DownloadUsageReportRequestFormat = "FORMAT_UNSPECIFIED" | "CSV" | "JSON";

/** How the archive is packed. */
export type DownloadVolumeRequestCompression = "COMPRESSION_UNSPECIFIED" | "GZIP";

/** The transport protocol. */
export type EndpointProtocol = "PROTOCOL_UNSPECIFIED" | "TCP" | "UDP";

/** Whether it takes instances. */
export type NodeAvailability = "AVAILABILITY_UNSPECIFIED" | "ACTIVE" | "DRAINED";

/** Whether it can be asked. */
export type NodeState = "STATE_UNSPECIFIED" | "READY" | "DOWN" | "UNKNOWN";

/** What can happen. */
export type ScheduledActionAction = "ACTION_UNSPECIFIED" | "START" | "STOP";

/** What it was. */
export type UsageKind =
  | "KIND_UNSPECIFIED"
  | "PENDING"
  | "STARTING"
  | "READY"
  | "UNHEALTHY"
  | "STOPPING"
  | "STOPPED"
  | "FAILED"
  | "UNKNOWN"
  | "DELETING";

/** What is so. */
export type VolumeState =
  | "STATE_UNSPECIFIED"
  | "UPLOADING"
  | "IN_USE"
  | "DETACHED"
  | "DELETING"
  | "LOST";

/** What is to happen where there is no room at present. */
export type WhenFull = "WHEN_FULL_UNSPECIFIED" | "REFUSE" | "WAIT";

/** Why lines are missing. */
export type GapCause =
  | "CAUSE_UNSPECIFIED"
  | "ROTATED"
  | "THROTTLED"
  | "RETENTION"
  | "SLOW_READER"
  | "JOURNAL_FAULT"
  | "NODE_LOST";

/** The streams of a program. */
export type Stream = "STREAM_UNSPECIFIED" | "STDOUT" | "STDERR";

/** Which way. */
export type VoteDirection = "DIRECTION_UNSPECIFIED" | "LIKE" | "DISLIKE";

/** Whether the runtime of this installation can run the machine. */
export type MachineAvailability =
  | "AVAILABILITY_UNSPECIFIED"
  | "RUNNABLE"
  | "NEEDS_CONTAINER_RUNTIME"
  | "NEEDS_PROCESS_RUNTIME";

/**
 * What becomes of a program that has ended by itself. Started again, it finds the same files and has
 * the same address; each start by itself comes later than the one before, up to a minute, and after
 * too many within a while the allocation is FAILED with RESTARTS_EXHAUSTED.
 */
export type MachineRestartPolicy = "RESTART_POLICY_UNSPECIFIED" | "NEVER" | "ON_FAILURE" | "ALWAYS";

/** The life of a machine. */
export type MachineState = "STATE_UNSPECIFIED" | "DRAFT" | "ACTIVE" | "RETIRED";

/**
 * The signals that may ask a program to end. SIGKILL is none of them: it gives no time, and follows
 * by itself.
 */
export type MachineStopSignal =
  | "STOP_SIGNAL_UNSPECIFIED"
  | "SIGTERM"
  | "SIGINT"
  | "SIGQUIT"
  | "SIGHUP"
  | "SIGUSR1"
  | "SIGUSR2";

/** The transport protocol. */
export type PortProtocol = "PROTOCOL_UNSPECIFIED" | "TCP" | "UDP";

/** The life of a webhook. */
export type WebhookState = "STATE_UNSPECIFIED" | "ENABLED" | "DISABLED" | "SUSPENDED";

/** The life of a delivery. */
export type WebhookDeliveryState = "STATE_UNSPECIFIED" | "PENDING" | "LEASED" | "SENT" | "FAILED";

/** Why something failed. ErrorInfo.reason carries the name. */
export type Reason =
  | "REASON_UNSPECIFIED"
  | "REQUEST_INVALID"
  | "FILTER_INVALID"
  | "ORDER_INVALID"
  | "PAGE_TOKEN_INVALID"
  | "FIELD_NOT_UPDATABLE"
  | "PARENT_FOREIGN"
  | "ETAG_STALE"
  | "REQUEST_ID_REUSED"
  | "NO_SUCH_METHOD"
  | "BODY_TOO_LARGE"
  | "MEDIA_TYPE_UNSUPPORTED"
  | "HOST_UNKNOWN"
  | "TOKEN_MISSING"
  | "TOKEN_INVALID"
  | "TOKEN_EXPIRED"
  | "TOKEN_REVOKED"
  | "CALLER_NOT_ALLOWED"
  | "USER_NOT_VERIFIED"
  | "TRUST_STALE"
  | "ORIGIN_FOREIGN"
  | "USER_NOT_FOUND"
  | "SIGN_UP_CLOSED"
  | "PASSWORD_TOO_WEAK"
  | "PASSWORD_WRONG"
  | "CREDENTIALS_WRONG"
  | "USER_DISABLED"
  | "CODE_WRONG"
  | "CODE_SENT_RECENTLY"
  | "REFRESH_TOKEN_INVALID"
  | "SESSION_NOT_FOUND"
  | "LAST_ADMIN"
  | "TOO_MANY_REQUESTS"
  | "MACHINE_NOT_FOUND"
  | "MACHINE_EXISTS"
  | "MACHINE_NOT_ACTIVE"
  | "MACHINE_ACTIVE"
  | "MACHINE_NOT_RUNNABLE"
  | "VARIABLE_INVALID"
  | "VARIABLE_MISSING"
  | "VARIABLE_UNKNOWN"
  | "ALLOCATION_NOT_FOUND"
  | "ALLOCATION_DELETED"
  | "ALLOCATION_NOT_RUNNING"
  | "QUOTA_EXCEEDED"
  | "STOCK_EXHAUSTED"
  | "PORTS_EXHAUSTED"
  | "RUNTIME_ADMINS_ONLY"
  | "STOPPED_BY_OWNER"
  | "PROGRAM_ENDED"
  | "PROGRAM_FAILED"
  | "OUT_OF_MEMORY"
  | "PROBE_TIMED_OUT"
  | "STEP_TIMED_OUT"
  | "INSTANCE_LOST"
  | "CANCELLED_BY_OWNER"
  | "REMOVED_BY_OWNER"
  | "ENGINE_UNAVAILABLE"
  | "ENGINE_REFUSED"
  | "IMAGE_NOT_FOUND"
  | "PORT_TAKEN"
  | "GENERATION_STALE"
  | "INSTANCE_NOT_FOUND"
  | "LOG_NOT_FOUND"
  | "PROGRAM_NOT_STARTED"
  | "FRAME_INVALID"
  | "TOO_MANY_CONSOLES"
  | "TOO_MANY_FRAMES"
  | "DELIVERY_QUEUE_FULL"
  | "DEPENDENCY_UNAVAILABLE"
  | "DISK_FULL"
  | "SERVICE_STOPPING"
  | "OVERLOADED"
  | "NOT_LEADING"
  | "DEADLINE_EXCEEDED"
  | "CALL_CANCELLED"
  | "INTERNAL_ERROR"
  | "TOTP_REQUIRED"
  | "TOTP_WRONG"
  | "TOTP_ENROLLED"
  | "TOTP_NOT_ENROLLED"
  | "SCOPE_MISSING"
  | "SESSION_NEEDED"
  | "SCOPE_UNKNOWN"
  | "ACCESS_TOKEN_NOT_FOUND"
  | "TOO_MANY_ACCESS_TOKENS"
  | "ACCESS_TOKEN_END_INVALID"
  | "COMMENT_NOT_FOUND"
  | "COMMENT_NOT_YOURS"
  | "COMMENT_DELETED"
  | "REPLY_TOO_DEEP"
  | "REPLIES_FULL"
  | "LINE_OF_OTHER_MACHINE"
  | "REVIEW_NOT_FOUND"
  | "REVIEW_NOT_YOURS"
  | "NOT_RENTED"
  | "VOTE_NOT_FOUND"
  | "MACHINE_VERSION_NOT_FOUND"
  | "MACHINE_NOT_DRAFT"
  | "MACHINE_NOT_SUBMITTED"
  | "COMMAND_ADMINS_ONLY"
  | "DRAFTS_EXCEEDED"
  | "PICTURE_INVALID"
  | "PICTURE_NOT_FOUND"
  | "PICTURES_EXHAUSTED"
  | "DEFINITION_INVALID"
  | "VOLUME_INVALID"
  | "CONTACT_TAKEN"
  | "LOG_IN_NOT_FRESH"
  | "DEAD_LETTER_NOT_FOUND"
  | "NOTIFICATION_NOT_FOUND"
  | "NOTIFICATION_KIND_UNKNOWN"
  | "WEBHOOK_NOT_FOUND"
  | "TOO_MANY_WEBHOOKS"
  | "WEBHOOK_URL_REFUSED"
  | "WEBHOOK_OFF"
  | "DELIVERY_NOT_FOUND"
  | "DELIVERY_NOT_ENDED"
  | "PROBE_UNANSWERED"
  | "INSTANCE_PAUSED"
  | "RESTARTS_EXHAUSTED"
  | "HOST_RESTARTED"
  | "INSTANCE_KILLED"
  | "INSTANCE_NAME_TAKEN"
  | "VOLUME_NOT_FOUND"
  | "VOLUME_IN_USE"
  | "VOLUME_FULL"
  | "VOLUME_TOO_LARGE"
  | "ARCHIVE_INVALID"
  | "ARCHIVE_UNSAFE"
  | "TRANSFERS_EXHAUSTED"
  | "TRANSFER_STALLED"
  | "VOLUMES_EXCEEDED"
  | "VOLUME_ELSEWHERE"
  | "VOLUME_NOT_READY"
  | "VOLUME_PATH_UNKNOWN"
  | "VOLUME_LIMIT_ADMINS_ONLY"
  | "CAPACITY_EXHAUSTED"
  | "OTHERS_WAIT"
  | "NEVER_FITS"
  | "QUEUE_FULL"
  | "ALLOCATION_NOT_WAITING"
  | "ALLOCATION_WAITING"
  | "WAIT_TIMED_OUT"
  | "CANCELLED_BY_ADMIN"
  | "RESOURCE_CLASS_NOT_FOUND"
  | "RESOURCE_CLASS_EXISTS"
  | "RESOURCE_CLASS_IS_DEFAULT"
  | "NODE_AWAY"
  | "NODE_NOT_FOUND"
  | "NODE_DRAINED"
  | "NODE_FAILING"
  | "STATS_UNREACHABLE"
  | "NO_NODE_FITS"
  | "EXPIRED"
  | "IDLE"
  | "SCHEDULED"
  | "ALLOCATION_EXPIRED"
  | "EXPIRE_TIME_INVALID"
  | "IDLE_TIMEOUT_INVALID"
  | "SCHEDULE_INVALID"
  | "MACHINE_TOO_DIFFERENT"
  | "MACHINE_USAGE_NOT_YOURS"
  | "INVITATION_REQUIRED"
  | "INVITATION_INVALID"
  | "INVITATION_NOT_FOUND"
  | "INVITATION_END_INVALID"
  | "TOO_MANY_INVITATIONS";

/** What can be verified. */
export type CreateUserRequestVerifyBy = "VERIFY_BY_UNSPECIFIED" | "EMAIL" | "PHONE";

/** Whether somebody can still sign up with it. */
export type InvitationState = "STATE_UNSPECIFIED" | "ACTIVE" | "USED_UP" | "ENDED";

/** Who can sign up. */
export type SignUpPolicyMode = "MODE_UNSPECIFIED" | "OPEN" | "INVITE" | "CLOSED";

/** How far it is. */
export type TotpState = "STATE_UNSPECIFIED" | "NONE" | "UNCONFIRMED" | "ACTIVE";

/** What a person may do beyond what everyone may. */
export type UserRole = "ROLE_UNSPECIFIED" | "ADMIN";

/** The life of an account. */
export type UserState = "STATE_UNSPECIFIED" | "ACTIVE" | "DISABLED";

export type NullValue = "NULL_VALUE";

export type DayOfWeek =
  | "DAY_OF_WEEK_UNSPECIFIED"
  | "MONDAY"
  | "TUESDAY"
  | "WEDNESDAY"
  | "THURSDAY"
  | "FRIDAY"
  | "SATURDAY"
  | "SUNDAY";

/** Which node takes instances again. */
export interface ActivateNodeRequest {
  /** Its name: `nodes/{node}`. */
  name: string;
}

/** One person's lease of a machine. */
export interface Allocation {
  /** The resource name, `allocations/{allocation}`, set by the server and never changed. */
  name: string;
  /** A UUID that is never used twice. */
  uid: string;
  /** Whose it is: `users/{user}`. */
  owner: string;
  /** What is rented: `machines/{machine}`. Never changed. */
  machine: string;
  /** Which version of the machine it was made from. */
  machineVersion: number;
  /** The title of the machine when it was rented. */
  machineTitle: string;
  /** The owner's own name for it, at most 80 characters; the machine's title by default. */
  displayName: string;
  /** The values of the machine's variables. Those of secret ones are never sent back. */
  variables: VariableValue[];
  /** What the owner asked for last. */
  desiredState: DesiredState;
  /** What is so. */
  state: AllocationState;
  /** Why it is in that state; unset where there is nothing to say. */
  stateReason?: StateReason;
  /** Since when it is in that state. */
  stateTime?: string;
  /** The host where it answers; empty for a machine without ports. */
  host: string;
  /** The port where it answers: that of the machine's main port; 0 for a machine without ports. */
  port: number;
  /** Where it answers, for each port of the machine; the main one first. */
  endpoints: Endpoint[];
  /** Counts the instances that were made for it, from 1. */
  generation: number;
  /** When the engine was last heard of it. */
  observedTime?: string;
  /** What is being done, in words, while the state ends in -ING: `pulling redis:7-alpine, 41 %`. */
  progress: string;
  /** Changes with every change; send it back with an update to be told of a lost race. */
  etag: string;
  /** Free labels: keys of up to 63 characters, values of up to 255, at most 64 of them. */
  labels: Record<string, string>;
  /** When it was rented. */
  createTime?: string;
  /** When it last changed. */
  updateTime?: string;
  /** When it was removed. */
  deleteTime?: string;
  /**
   * How much of the host it may use: the machine's class when it was rented, unless another one is chosen.
   * A change counts from its next start or restart on; its files and its address stay.
   */
  resourceClass: string;
  /**
   * The version of its machine that would be rented now, where that is newer than `machine_version`;
   * 0 where there is none, where the machine is not in the catalogue any more, and in facts.
   */
  newerMachineVersion: number;
  /** Where it stands in the queue; set while it is PENDING, and not in facts but AllocationQueued. */
  queue?: QueuePlace;
  /** What an hour in state READY costs, by its machine when it was rented; unset where that is nothing. */
  pricePerHour?: Money;
  /** What becomes of its program when that ends by itself; the machine's policy by default. */
  restartPolicy: MachineRestartPolicy;
  /**
   * The node that its instance is on, or was on when it was last heard of: `nodes/{node}`. Empty before
   * there was one.
   */
  node: string;
  /**
   * How often its program was started again by itself, since its owner last asked for a start, a stop or
   * a restart.
   */
  restartCount: number;
  /**
   * Its volumes, by their paths in the machine. At creation it can name detached volumes of the caller's
   * for some of them; the others are made. Making it anew makes those that its machine has newly; it
   * keeps, after these, those that its machine has no more.
   */
  volumes: AllocationVolume[];
  /**
   * When its time is over; unset for never. At `expire_time` it is stopped or removed; a stopped one is
   * not started any more until this is later. An installation may set it, and limit it.
   */
  expireTime?: string;
  /** What happens at `expire_time`. */
  expireAction: AllocationEndAction;
  /** When it is stopped because nobody uses it; unset for never. An installation may set it, and limit it. */
  idlePolicy?: IdlePolicy;
  /** When in the week it is started and stopped; unset for no schedule. */
  schedule?: Schedule;
  /** What happens next to it by itself, if nothing changes before; unset where nothing is planned. */
  planned?: PlannedChange;
}

/** What one allocation was, and for how long. */
export interface AllocationUsage {
  /** `allocations/{allocation}/usage`. */
  name: string;
  /** Whose it is: `users/{user}`. */
  owner: string;
  /** What is rented: `machines/{machine}`. */
  machine: string;
  /** Over all of the window, whatever page this is. */
  total?: Usage;
  /** A page of the intervals in the window, newest first. */
  intervals: UsageInterval[];
  /** For the next page; empty at the end. */
  nextPageToken: string;
}

/** Which volume an allocation has at a path of its machine. */
export interface AllocationVolume {
  /** Where its program finds it: the path of one of the machine's volumes. */
  path: string;
  /**
   * The volume, `volumes/{volume}`. At creation a detached one of the caller's; paths that are not
   * named get new ones.
   */
  volume: string;
}

/** Asks to take an allocation out of the queue. */
export interface CancelAllocationRequest {
  /** `allocations/{allocation}`. */
  name: string;
}

/** Asks to rent a machine. */
export interface CreateAllocationRequest {
  /** The allocation: the machine, its variables, and a display name and labels if wished. */
  allocation?: Allocation;
  /**
   * A UUID of the caller's choice: the same request sent again with it within 24 hours gets the
   * first answer and has no second effect.
   */
  requestId: string;
  /** What is to happen where there is no room at present. What can never run is refused in either case. */
  whenFull: WhenFull;
  /**
   * For how long it waits at most, where it waits: from 1 s, by default and at most what the settings of
   * the installation say.
   */
  maxWait?: string;
}

/** Asks to define a resource class. */
export interface CreateResourceClassRequest {
  /** The class, without its name. */
  resourceClass?: ResourceClass;
  /** The last part of its name: a letter, then up to 30 letters, digits and dashes; all in lower case. */
  resourceClassId: string;
  /**
   * A UUID of the caller's choice: the same request sent again with it within 24 hours gets the
   * first answer and has no second effect.
   */
  requestId: string;
}

/** Asks to remove an allocation. */
export interface DeleteAllocationRequest {
  /** `allocations/{allocation}`. */
  name: string;
  /** The etag that it was read with; empty to delete whatever is there. */
  etag: string;
  /**
   * Whether its volumes stay, detached, and can be given to another allocation; they go with it by
   * default.
   */
  keepVolumes: boolean;
}

/** Asks to remove a resource class. */
export interface DeleteResourceClassRequest {
  /** `resourceClasses/{resource_class}`. */
  name: string;
  /** The etag that it was read with; empty to delete whatever is there. */
  etag: string;
}

/** Asks to remove a volume. */
export interface DeleteVolumeRequest {
  /** `volumes/{volume}`. */
  name: string;
  /** The etag that it was read with; empty to remove it whatever has changed. */
  etag: string;
}

/** Asks for all that there is of an allocation. */
export interface DownloadArchiveRequest {
  /** `allocations/{allocation}`. */
  name: string;
}

/** Asks for a report about allocations. */
export interface DownloadUsageReportRequest {
  /** Whose: empty or `users/me` for the caller's; `users/{user}` or `users/-` (all) for admins. */
  parent: string;
  /** Only this one: `allocations/{allocation}`; empty for all, those too that were removed. */
  allocation: string;
  /** From when on; unset from the start. Allocations that did not live in the window are left out. */
  startTime?: string;
  /** Until when, without this instant; unset until now. */
  endTime?: string;
  /** How it is written; CSV where it is unset. */
  format: DownloadUsageReportRequestFormat;
}

/** Asks for what is in a volume. */
export interface DownloadVolumeRequest {
  /** `volumes/{volume}`. */
  name: string;
  /** How the archive is packed; not at all by default. */
  compression: DownloadVolumeRequestCompression;
}

/** Which node takes no more instances. */
export interface DrainNodeRequest {
  /** Its name: `nodes/{node}`. */
  name: string;
  /** Why, for those who are told; 200 characters at most. */
  reason: string;
}

/** Where one port of the machine is reached. */
export interface Endpoint {
  /** The host name or address. */
  host: string;
  /** The port. */
  port: number;
  /** The transport protocol. */
  protocol: EndpointProtocol;
  /** The port's number inside the machine. */
  containerPort: number;
  /** What the port is for. */
  title: string;
  /** The scheme with which a browser or a client opens it; empty where there is none. */
  scheme: string;
}

/** Asks what would come of renting a machine. */
export interface EstimateAllocationRequest {
  /** `machines/{machine}`. */
  machine: string;
}

/** What would come of renting a machine. */
export interface EstimateAllocationResponse {
  /** Whether it would be admitted at once. */
  canRunNow: boolean;
  /** Whether it can run at all, once others, or other things of the caller's, have gone. */
  canEverRun: boolean;
  /** The limits that say no; none where it can run now. */
  obstacles: Obstacle[];
  /** What an hour in state READY costs; unset where that is nothing. */
  pricePerHour?: Money;
  /** The resource class that it would have; empty where it has none here. */
  resourceClass: string;
  /** What it would take of the quota. */
  needs?: QuotaAmounts;
  /** What the caller may have, and has. */
  quota?: Quota;
  /** What is left of the quota before it; -1 for no limit. */
  left?: QuotaAmounts;
  /** Where it would stand in the queue, where it cannot run now and may wait. */
  queue?: QueuePlace;
}

/** Asks for an allocation. */
export interface GetAllocationRequest {
  /** `allocations/{allocation}`. */
  name: string;
}

/** Asks what an allocation was. */
export interface GetAllocationUsageRequest {
  /** `allocations/{allocation}/usage`. */
  name: string;
  /** From when on; unset from its start. */
  startTime?: string;
  /** Until when, without this instant; unset until now. */
  endTime?: string;
  /** How many intervals at most: 50 by default, 1000 at most. */
  pageSize: number;
  /** The token of the page before, for the next one; the other fields must be the same as then. */
  pageToken: string;
}

/** Asks what the allocations of a machine were. */
export interface GetMachineUsageRequest {
  /** `machines/{machine}/usage`. */
  name: string;
  /** From when on; unset from the start. */
  startTime?: string;
  /** Until when, without this instant; unset until now. */
  endTime?: string;
}

/** Which node to read. */
export interface GetNodeRequest {
  /** Its name: `nodes/{node}`. */
  name: string;
}

/** Asks for a quota. */
export interface GetQuotaRequest {
  /** `users/{user}/quota`; `users/me` stands for the caller. */
  name: string;
}

/** Asks for a resource class. */
export interface GetResourceClassRequest {
  /** `resourceClasses/{resource_class}`. */
  name: string;
}

/** Asks for a volume. */
export interface GetVolumeRequest {
  /** `volumes/{volume}`. */
  name: string;
}

/**
 * When an allocation is stopped because nobody uses it. It is in use while a connection to one of its
 * ports is open, bytes come or go, its program computes (above 2 % of a core), or somebody watches its log.
 */
export interface IdlePolicy {
  /** After how long without use it is stopped; 0 for never. */
  timeout?: string;
}

/** Asks for all that is known about an instance. */
export interface InspectAllocationRequest {
  /** `allocations/{allocation}`. */
  name: string;
}

/** What is known about the instance behind an allocation. */
export interface InspectAllocationResponse {
  /** The allocation. */
  allocation?: Allocation;
  /** What runs it: `docker`, `process`. */
  runtime: string;
  /** The instance's name in the runtime; empty where there is none. */
  instance: string;
  /** The instance's state as the runtime says it now: `RUNNING`, `EXITED`, `MISSING`. */
  instanceState: string;
  /** How often the instance was started within its generation, from 1. */
  incarnation: number;
  /** The image that it was made from; empty for processes. */
  image: string;
  /** When it was last started. */
  startTime?: string;
  /** When it last ended; unset while it runs. */
  finishTime?: string;
  /** The exit code of the last end. */
  exitCode?: number;
  /** Its limits: processor, in thousandths of a core. */
  cpuMillis: number;
  /** Its limits: memory, in bytes; a string in JSON. */
  memoryBytes: string;
  /** Its limits: processes and threads. */
  pids: number;
  /** Where its instances run: the name of the node. */
  node: string;
}

/** How long something was of one kind. */
export interface KindTime {
  /** Which. */
  kind: UsageKind;
  /** For how long in all. */
  duration?: string;
}

/** Asks for a page of allocations. */
export interface ListAllocationsRequest {
  /** Whose: empty or `users/me` for the caller's; `users/{user}` or `users/-` (all) for admins. */
  parent: string;
  /** How many at most: 50 by default, 1000 at most. */
  pageSize: number;
  /** The token of the page before, for the next one; the other fields must be the same as then. */
  pageToken: string;
  /**
   * Which ones: `state = READY`, `machine = "machines/redis"`, `desired_state = RUNNING`, joined by AND.
   * Without `state`, deleted ones are left out.
   */
  filter: string;
}

/** A page of allocations. */
export interface ListAllocationsResponse {
  /** The allocations, newest first. */
  allocations: Allocation[];
  /** For the next page; empty at the end. */
  nextPageToken: string;
}

/** Which nodes to list. */
export interface ListNodesRequest {
  /** How many at most; 50 by default, 1000 at most. */
  pageSize: number;
  /** `next_page_token` of the page before. */
  pageToken: string;
}

/** A page of nodes. */
export interface ListNodesResponse {
  /** The nodes, by name. */
  nodes: Node[];
  /** For the next page; empty at the end. */
  nextPageToken: string;
}

/** Asks for a page of resource classes. */
export interface ListResourceClassesRequest {
  /** How many at most: 50 by default, 1000 at most. */
  pageSize: number;
  /** The token of the page before, for the next one. */
  pageToken: string;
}

/** A page of resource classes. */
export interface ListResourceClassesResponse {
  /** The resource classes. */
  resourceClasses: ResourceClass[];
  /** For the next page; empty at the end. */
  nextPageToken: string;
}

/** Asks for a page of volumes. */
export interface ListVolumesRequest {
  /** Whose: empty or `users/me` for the caller's; `users/{user}` or `users/-` (all) for admins. */
  parent: string;
  /** How many at most: 50 by default, 1000 at most. */
  pageSize: number;
  /** The token of the page before, for the next one; the other fields must be the same as then. */
  pageToken: string;
  /**
   * Which ones: `state = DETACHED`, `allocation = "allocations/7f3k2m9q"`, `machine = "machines/redis"`,
   * joined by AND.
   */
  filter: string;
}

/** A page of volumes. */
export interface ListVolumesResponse {
  /** The volumes, newest first. */
  volumes: AllocationsVolume[];
  /** For the next page; empty at the end. */
  nextPageToken: string;
}

/** What all allocations of a machine were, and for how long. */
export interface MachineUsage {
  /** `machines/{machine}/usage`. */
  name: string;
  /** The sum over its allocations; `availability` is that of all their time. */
  total?: Usage;
  /** How many of its allocations lived in the window. */
  allocationCount: number;
}

/**
 * A host that instances run on. With the runtimes `docker` and `process` there is one; with `swarm` each
 * node of the cluster is one.
 */
export interface Node {
  /** Its name: `nodes/{node}`. */
  name: string;
  /** What runs instances there: `docker`, `process`, `swarm`. */
  runtime: string;
  /** Its host name, as its engine says. */
  displayName: string;
  /** The host name or address that people are shown for ports there. */
  host: string;
  /** Whether it can be asked. */
  state: NodeState;
  /** Since when it is in that state. */
  stateTime?: string;
  /** Whether it takes instances. */
  availability: NodeAvailability;
  /** Why it is DOWN or DRAINED. */
  stateReason?: StateReason;
  /** Processor, in thousandths of a core. */
  cpuMillis: number;
  /** Memory, in bytes; a string in JSON. */
  memoryBytes: string;
  /** How many allocations have their instance there. */
  allocations: number;
  /** How often it was lost of late, within the window after which a lost node counts as well again. */
  failures: number;
  /** When anything was last heard of it. */
  observedTime?: string;
}

/** A limit that says no. */
export interface Obstacle {
  /** The reason, from the closed list: that with which CreateAllocation would fail. */
  reason: Reason;
  /** The same in a sentence, with what to do. */
  message: string;
  /** Whether waiting does not help. */
  lasts: boolean;
}

/** What happens to an allocation by itself. */
export interface PlannedChange {
  /** When. */
  time?: string;
  /** What it shall be then. */
  desiredState: DesiredState;
  /** Why: EXPIRED, IDLE or SCHEDULED, and a sentence. */
  reason?: StateReason;
}

/** Asks to put an allocation at a position of the queue. */
export interface PrioritizeAllocationRequest {
  /** `allocations/{allocation}`. */
  name: string;
  /** From 1: the next one; a larger one than there are is the last. 1 by default. */
  position: number;
}

/** The place of an allocation in the queue for room. */
export interface QueuePlace {
  /** From 1: the next one. */
  position: number;
  /** How many wait. */
  length: number;
  /**
   * When its turn is likely to come, by how fast the queue has moved of late; unset where nobody has left
   * it of late, so that it cannot be said.
   */
  expectedTime?: string;
  /** Until when it waits; then it is given up. */
  deadline?: string;
  /** What it waits for. */
  waitingFor?: StateReason;
}

/** What a person may have allocated at once, and what they have. */
export interface Quota {
  /** The resource name, `users/{user}/quota`. */
  name: string;
  /**
   * What an admin has set for this person. A field that is unset is by the person's role, as the settings
   * of the installation say; -1 is no limit.
   */
  overrides?: QuotaAmounts;
  /** What the person may have at once; -1 for no limit. */
  limits?: QuotaAmounts;
  /**
   * What the person has: instances and disk of all that is not deleted, processor and memory of all that
   * is not stopped either. What waits counts as if it ran.
   */
  used?: QuotaAmounts;
  /** Changes with every change of the overrides; send it back with an update to be told of a lost race. */
  etag: string;
  /** When the overrides last changed; unset if they never did. */
  updateTime?: string;
}

/** Amounts of what is limited. */
export interface QuotaAmounts {
  /** How many allocations. */
  instances?: number;
  /** Processor, in thousandths of a core. */
  cpuMillis?: number;
  /** Memory, in bytes; a string in JSON. */
  memoryBytes?: string;
  /** Disk of resource classes and volumes, in bytes; a string in JSON. */
  diskBytes?: string;
}

/** Asks to make the instance of an allocation anew. */
export interface RecreateAllocationRequest {
  /** `allocations/{allocation}`. */
  name: string;
  /** New values of the machine's variables; those that are left out stay as they are. */
  variables: VariableValue[];
  /**
   * A UUID of the caller's choice: the same request sent again with it within 24 hours gets the
   * first answer and has no second effect.
   */
  requestId: string;
}

/** How much of the host an instance may use. Machines name one. */
export interface ResourceClass {
  /** The resource name, `resourceClasses/{resource_class}`; machines and allocations name the last part. */
  name: string;
  /** What people read, at most 80 characters. */
  title: string;
  /** Processor, in thousandths of a core. */
  cpuMillis: number;
  /** Memory, in bytes, from 6 MiB; a string in JSON. */
  memoryBytes: string;
  /** Processes and threads. */
  pids: number;
  /** Disk beside the volumes, in bytes; a string in JSON. It is counted at admission. */
  diskBytes: string;
  /** Whether it is that of machines that name none. One of them is; it ceases when another becomes it. */
  isDefault: boolean;
  /** Changes with every change; send it back with an update to be told of a lost race. */
  etag: string;
  /** When it was defined. */
  createTime?: string;
  /** When it last changed. */
  updateTime?: string;
}

/** Asks to restart an allocation. */
export interface RestartAllocationRequest {
  /** `allocations/{allocation}`. */
  name: string;
  /**
   * A UUID of the caller's choice: the same request sent again with it within 24 hours gets the
   * first answer and has no second effect.
   */
  requestId: string;
}

/** When in the week an allocation is started and stopped. */
export interface Schedule {
  /** The time zone of all times, by its IANA name: `Europe/Berlin`, `UTC`. */
  timeZone: string;
  /** What happens when. Of actions at the same time, the last one counts. */
  actions: ScheduledAction[];
}

/**
 * Something that happens at a time of the week. Where a change to summer time leaves the time out, it
 * happens when the clocks change; where the time comes twice, the first time.
 */
export interface ScheduledAction {
  /** What happens. */
  action: ScheduledActionAction;
  /** On which days; none for every day. */
  days: DayOfWeek[];
  /** When: `HH:MM`, from 00:00 to 23:59. */
  time: string;
}

/** Asks to start an allocation. */
export interface StartAllocationRequest {
  /** `allocations/{allocation}`. */
  name: string;
  /**
   * A UUID of the caller's choice: the same request sent again with it within 24 hours gets the
   * first answer and has no second effect.
   */
  requestId: string;
  /** What is to happen where there is no room at present. What can never run again is refused in either case. */
  whenFull: WhenFull;
  /**
   * For how long it waits at most, where it waits: from 1 s, by default and at most what the settings of
   * the installation say.
   */
  maxWait?: string;
}

/** Why an allocation is in its state. */
export interface StateReason {
  /** The reason, from the closed list. */
  reason: Reason;
  /** The same in a sentence, with what to do. */
  message: string;
  /** The exit code of the program, where it has ended. */
  exitCode?: number;
  /** Whether the engine ended it for lack of memory. */
  outOfMemory: boolean;
  /** The end of its log, at most 50 lines, where it has failed. */
  lastLines: string[];
}

/** Asks to stop an allocation. */
export interface StopAllocationRequest {
  /** `allocations/{allocation}`. */
  name: string;
}

/** Asks to change an allocation. */
export interface UpdateAllocationRequest {
  /** The allocation: its name, the fields to change, and the etag that it was read with. */
  allocation?: Allocation;
  /**
   * The fields to change: `display_name`, `labels`, `restart_policy`, `resource_class`, `expire_time`,
   * `expire_action`, `idle_policy`, `schedule`. Without it, those that are not empty.
   */
  updateMask?: string;
}

/** Asks to change a quota. */
export interface UpdateQuotaRequest {
  /** The name, the overrides, and the etag that they were read with. */
  quota?: Quota;
  /**
   * The fields to change: `overrides.instances`, `overrides.cpu_millis`, `overrides.memory_bytes`,
   * `overrides.disk_bytes`, or `overrides` for all four. One that is named and unset is by the person's
   * role again. Without a mask, those that are set.
   */
  updateMask?: string;
}

/** Asks to change a resource class. */
export interface UpdateResourceClassRequest {
  /** The class: its name, the fields to change, and the etag that it was read with. */
  resourceClass?: ResourceClass;
  /**
   * The fields to change: `title`, `cpu_millis`, `memory_bytes`, `pids`, `disk_bytes`, `is_default`.
   * Without it, those that are not empty.
   */
  updateMask?: string;
}

/** Asks to change a volume. */
export interface UpdateVolumeRequest {
  /** The volume: its name, the fields to change, and the etag that it was read with. */
  volume?: AllocationsVolume;
  /** The fields to change: `display_name`, `size_limit_mib`. Without it, those that are not empty. */
  updateMask?: string;
}

/** A piece of an archive that becomes a volume. All but `archive` is said in the first one. */
export interface UploadVolumeRequest {
  /** The owner's own name for the volume, at most 80 characters. */
  displayName: string;
  /** Where a program is meant to find it, `/data`; an allocation may have it elsewhere. */
  path: string;
  /**
   * How much it may hold, in MiB; by default, and at most, what is left of what the caller may have in
   * detached volumes. An allocation that gets it has the limit of its machine, or this one where it is
   * higher.
   */
  sizeLimitMib: number;
  /** The next bytes of the archive. The media type does not matter: the bytes tell what they are. */
  archive?: Blob;
}

/**
 * What an allocation was, and for how long. The intervals of an allocation follow each other without a
 * gap, never overlap, and add up to its life to the millisecond.
 */
export interface Usage {
  /**
   * From when on it is told: the start of the window, or of the life if that is later. Unset where nothing
   * lived in the window.
   */
  startTime?: string;
  /** Until when it is told: the end of the window, the end of the life, or the present, whichever is first. */
  endTime?: string;
  /**
   * How long that is; of several allocations, the sum. `uptime`, `downtime`, `unknown_time` and `off_time`
   * add up to it, and so do `kinds`.
   */
  life?: string;
  /** How long it was asked to run and was READY. */
  uptime?: string;
  /** How long it was asked to run, and was not READY: while it started too. */
  downtime?: string;
  /** How long it was asked to run, and nobody knows whether it did. */
  unknownTime?: string;
  /** How long it was not asked to run, or waited for capacity. */
  offTime?: string;
  /** `uptime` as a share of `uptime` and `downtime`, from 0 to 1; unset where both are zero. */
  availability?: number;
  /** How often it has failed: intervals of FAILED that began in the window. */
  failureCount: number;
  /** How long it was of each kind; those that it never was are left out. */
  kinds: KindTime[];
}

/** A time in which an allocation was the same all along. */
export interface UsageInterval {
  /** What it was. */
  kind: UsageKind;
  /** Whether its owner had asked it to run. */
  askedToRun: boolean;
  /** From when on; the start of the window where it had begun before. */
  startTime?: string;
  /** Until when, without this instant; the end of the window, or the present, where it goes on. */
  endTime?: string;
  /** How long that is. */
  duration?: string;
  /** Whether it goes on. */
  open: boolean;
}

/** The value of one variable. */
export interface VariableValue {
  /** The variable's key. */
  key: string;
  /**
   * Its value, at most 4096 characters. Empty in answers where the variable is secret; one that was made
   * because none was given is told once, in the answer to CreateAllocation.
   */
  value: string;
  /** True in answers where the variable is secret and its value is left out. */
  secret: boolean;
}

/**
 * A folder that outlasts the instances of an allocation, and the allocation itself where its owner
 * wants that.
 */
export interface AllocationsVolume {
  /** The resource name, `volumes/{volume}`, set by the server and never changed. */
  name: string;
  /** A UUID that is never used twice. */
  uid: string;
  /** Whose it is: `users/{user}`. */
  owner: string;
  /** The owner's own name for it, at most 80 characters; by default what it was made for. */
  displayName: string;
  /** The machine that it was made for, `machines/{machine}`; empty where it was uploaded. */
  machine: string;
  /** Where its program finds it, or the last one found it: `/data`. */
  path: string;
  /**
   * How much it may hold, in MiB. An allocation whose volume holds more is stopped with VOLUME_FULL.
   * Only admins change it.
   */
  sizeLimitMib: number;
  /** How much it held when it was last measured: the lengths of its files, in bytes; a string in JSON. */
  sizeBytes: string;
  /** When it was last measured; unset where it never was. */
  measureTime?: string;
  /** The allocation that has it, `allocations/{allocation}`; empty while it is detached. */
  allocation: string;
  /** What is so. */
  state: VolumeState;
  /** The node that it is on. */
  node: string;
  /** When it was made. */
  createTime?: string;
  /** When it last changed. */
  updateTime?: string;
  /** Changes with every change but measures; send it back with an update to be told of a lost race. */
  etag: string;
}

/** Asks for a stream of allocations. */
export interface WatchAllocationsRequest {
  /** Whose: empty or `users/me` for the caller's; `users/{user}` or `users/-` (all) for admins. */
  parent: string;
  /** Only this one: `allocations/{allocation}`; empty for all. */
  name: string;
}

/** One change, or, with neither field set, a sign of life: at least one every 15 seconds. */
export interface WatchAllocationsResponse {
  /** An allocation as it is now. */
  allocation?: Allocation;
  /** True once, when every allocation that was there at the start has been sent. */
  complete: boolean;
}

/** Says who the client is. */
export interface Auth {
  /** The access token. */
  token: string;
  /** `allocations/{allocation}`, where the address of the socket does not name it. */
  allocation: string;
}

/** The access token ends soon. */
export interface AuthExpiring {
  /** When it ends; the socket is closed then. */
  expireTime?: string;
}

/** Why the server ends the console. */
export interface Bye {
  /** The reason, from the closed list: `TOKEN_EXPIRED`, `SERVICE_STOPPING`, `ALLOCATION_NOT_FOUND`. */
  reason: string;
  /** The same in a sentence. */
  message: string;
  /** After how long to try again; unset where trying again does not help. */
  retryAfter?: string;
}

/** What a client says on a console. */
export interface ClientFrame {
  /** The first frame, and again whenever the token is renewed. */
  auth?: Auth;
  /** From where to send the log. The second frame; without it the log starts at the newest 200 lines. */
  resume?: Resume;
  /** Which lines to send from now on. */
  filter?: Filter;
}

/**
 * Says which lines to send. Lines that it leaves out are skipped without a gap: `first_seq` and
 * `seqs` tell which numbers came.
 */
export interface Filter {
  /** Only lines that contain this text, whatever their case; empty for all. */
  contains: string;
  /** Only this stream; unspecified for both. */
  stream: Stream;
}

/** Asks for a console. */
export interface FollowConsoleRequest {
  /** `allocations/{allocation}`. */
  name: string;
  /**
   * The first sequence number wanted; 0 for the oldest kept, negative for that many lines from the
   * end. Without it: the newest 200 lines.
   */
  cursor?: string;
  /** Which lines. */
  filter?: Filter;
}

/** Sequence numbers whose lines do not come. */
export interface Gap {
  /** The first missing number. A string in JSON. */
  firstSeq: string;
  /** The last missing number. A string in JSON. */
  lastSeq: string;
  /** Why. */
  cause: GapCause;
}

/** The first frame of the server. */
export interface Hello {
  /** The allocation. */
  allocation: string;
  /** The oldest sequence number that is kept; 0 for an empty log. A string in JSON. */
  firstCursor: string;
  /** The newest sequence number; 0 for an empty log. A string in JSON. */
  lastCursor: string;
  /** The most bytes of a client's frame. */
  maxFrameBytes: number;
  /** The most frames that a client may send in a second. */
  maxFramesPerSecond: number;
  /** The most bytes of a line; longer ones are cut. */
  maxLineBytes: number;
  /**
   * The server sends something at least this often: a client that hears nothing for twice as long
   * should open a new socket and resume.
   */
  heartbeat?: string;
}

/** One line of the log. */
export interface Line {
  /** Its number. A string in JSON. */
  seq: string;
  /** When it was written. */
  time?: string;
  /** The stream that it was written to. */
  stream: Stream;
  /** Its text, without the line feed. */
  text: string;
  /** Whether it was cut, as it was too long. */
  truncated: boolean;
  /** The generation of the instance that wrote it. */
  generation: number;
  /** Its incarnation. */
  incarnation: number;
}

/** Asks for a page of the log. */
export interface ListLinesRequest {
  /** `allocations/{allocation}`. */
  name: string;
  /** The first sequence number wanted; 0 for the oldest kept, negative for that many lines from the end. */
  cursor: string;
  /** How many lines at most: 1000 by default, 10,000 at most. */
  pageSize: number;
}

/** A page of the log. */
export interface ListLinesResponse {
  /** The lines. */
  lines: Line[];
  /** Numbers of this page whose lines are not to be had. */
  gaps: Gap[];
  /** The cursor of the next page: where to go on, also when the end is reached and more is written. A string in JSON. */
  nextCursor: string;
  /** The oldest number that is kept; 0 for an empty log. A string in JSON. */
  firstCursor: string;
  /** The newest number; 0 for an empty log. A string in JSON. */
  lastCursor: string;
}

/**
 * A batch of lines, in columns: entry i of each list belongs to line i, whose number is
 * `first_seq + i`, or where a filter has left lines out, `seqs[i]`.
 */
export interface LogLines {
  /** The number of the first line. A string in JSON. */
  firstSeq: string;
  /** When each was written: milliseconds since 1970 UTC, with a fraction. */
  times: number[];
  /** The text of each, without its line feed. */
  texts: string[];
  /** The stream of each, one letter a line: `o` standard output, `e` standard error. */
  streams: string;
  /** Which of them were cut: their places in the lists, from 0. */
  truncated: number[];
  /** The generation of the instance that wrote them. */
  generation: number;
  /** Its incarnation. */
  incarnation: number;
  /** With a filter: the number of each line. Strings in JSON. */
  seqs: string[];
  /** With a filter: the last number that was looked at, sent or not. A string in JSON. */
  lastSeq: string;
}

/** Something that the reader should know. */
export interface Notice {
  /** What, in a sentence. */
  message: string;
}

/** Says from where to send the log. */
export interface Resume {
  /**
   * The first sequence number wanted (one more than the last that was seen); 0 for the oldest kept,
   * negative for that many lines from the end. A string in JSON.
   */
  cursor: string;
}

/** What the server says on a console. */
export interface ServerFrame {
  /** The first frame, once the client is known. */
  hello?: Hello;
  /** Lines. */
  log?: LogLines;
  /** Missing lines. */
  gap?: Gap;
  /** The allocation as it is now: at the beginning, and when it changes. */
  state?: StateChange;
  /** What the instance uses, while it runs. */
  stats?: Stats;
  /** Something that the reader should know, in words. */
  notice?: Notice;
  /** The access token ends soon: send `auth` with the next one. */
  authExpiring?: AuthExpiring;
  /** The last frame. */
  bye?: Bye;
}

/** The allocation has changed. */
export interface StateChange {
  /** The allocation as it is now. */
  allocation?: Allocation;
}

/** What the instance uses now. */
export interface Stats {
  /** When it was measured. */
  time?: string;
  /** Processor, in thousandths of a core. */
  cpuMillis: number;
  /** Memory, in bytes. A string in JSON. */
  memoryBytes: string;
  /** The most memory that it may use, in bytes. A string in JSON. */
  memoryLimitBytes: string;
  /** Bytes received since the start. A string in JSON. */
  receivedBytes: string;
  /** Bytes sent since the start. A string in JSON. */
  sentBytes: string;
  /** Processes and threads. */
  pids: number;
}

/** Asks what several feeds add up to. */
export interface BatchGetSummariesRequest {
  /** The machines, `machines/{machine}`: 1 to 100, each once. */
  machines: string[];
}

/** What several feeds add up to. */
export interface BatchGetSummariesResponse {
  /** One for each machine, in the order in which they were asked for. */
  summaries: FeedSummary[];
}

/** Asks to withdraw a vote. */
export interface ClearVoteRequest {
  /** `machines/{machine}/votes/me`. */
  name: string;
}

/** What somebody says of a machine, or in reply to somebody. Replies are one level deep. */
export interface Comment {
  /** The resource name, `machines/{machine}/comments/{comment}`, set by the server and never changed. */
  name: string;
  /** A UUID that is never used twice. */
  uid: string;
  /**
   * Who wrote it, `users/{user}`; `users/deleted` where the account is gone; empty in a comment that
   * was deleted and is shown because it has replies.
   */
  author: string;
  /** What the author is called now; empty where they gave no name, and in facts. */
  authorName: string;
  /**
   * What is said, in Markdown: 1 to 4,000 characters, not only space, no control characters but tab
   * and line ends. It is kept as it was written; whoever shows it makes it safe. Empty in a comment
   * that was deleted and is shown because it has replies.
   */
  text: string;
  /** The comment that it answers, `machines/{machine}/comments/{comment}`; empty for none. Set once. */
  replyTo: string;
  /** The line of a log that it is about; unset for none. Set once. */
  line?: LineReference;
  /** How many replies it has. */
  replyCount: number;
  /** True for a comment that was deleted, and is shown because it has replies. */
  deleted: boolean;
  /** Changes with every change; send it back with an update to be told of a lost race. */
  etag: string;
  /** When it was written. */
  createTime?: string;
  /** When its author last changed it. */
  updateTime?: string;
}

/** Asks to say something. */
export interface CreateCommentRequest {
  /** Of which machine, `machines/{machine}`. */
  parent: string;
  /** What: its text, and where wished `reply_to` and `line`. */
  comment?: Comment;
  /**
   * A UUID of the caller's choice: the same request sent again with it within 24 hours gets the
   * first answer and has no second effect.
   */
  requestId: string;
}

/** Asks to delete a comment. */
export interface DeleteCommentRequest {
  /** `machines/{machine}/comments/{comment}`. */
  name: string;
  /** The etag that it was read with; empty to delete whatever is there. */
  etag: string;
}

/** Asks to delete a review. */
export interface DeleteReviewRequest {
  /** `machines/{machine}/reviews/{review}`; `machines/{machine}/reviews/me` for the caller's own. */
  name: string;
  /** The etag that it was read with; empty to delete whatever is there. */
  etag: string;
}

/** What the feed of a machine adds up to. */
export interface FeedSummary {
  /** The resource name, `machines/{machine}/feedSummary`. */
  name: string;
  /** The machine, `machines/{machine}`. */
  machine: string;
  /** How many people like it. */
  likes: number;
  /** How many people dislike it. */
  dislikes: number;
  /** How many comments there are, replies among them, deleted ones not. */
  comments: number;
  /** How many reviews there are. */
  reviews: number;
  /** The mean of the stars, 1 to 5; 0 where there is no review. */
  averageRating: number;
  /** How many reviews have one star, two, … five: always five numbers. */
  histogram: number[];
  /**
   * Counts the changes of the feed, from 1; 0 where nobody has said anything; a string in JSON. It
   * goes on where a machine is deleted and made anew under its name.
   */
  version: string;
  /** The vote of the caller; unspecified without one, and without a caller. */
  ownVote: VoteDirection;
}

/** Asks for a comment. */
export interface GetCommentRequest {
  /** `machines/{machine}/comments/{comment}`. */
  name: string;
}

/** Asks for a review. */
export interface GetReviewRequest {
  /** `machines/{machine}/reviews/{review}`; `machines/{machine}/reviews/me` for the caller's own. */
  name: string;
}

/** Asks what a feed adds up to. */
export interface GetSummaryRequest {
  /** `machines/{machine}/feedSummary`. */
  name: string;
}

/** Asks for a vote. */
export interface GetVoteRequest {
  /** `machines/{machine}/votes/me`. */
  name: string;
}

/** A line of the log of an allocation. Others see that it is meant, and cannot read it. */
export interface LineReference {
  /** The allocation, `allocations/{allocation}`: the author's own, of this machine. */
  allocation: string;
  /** The sequence number of the line, from 1; a string in JSON. */
  cursor: string;
}

/** Asks for a page of comments. */
export interface ListCommentsRequest {
  /** Of which machine, `machines/{machine}`. */
  parent: string;
  /** How many at most: 50 by default, 1000 at most. */
  pageSize: number;
  /** The token of the page before, for the next one; the other fields must be the same as then. */
  pageToken: string;
}

/** A page of comments. */
export interface ListCommentsResponse {
  /** The comments, newest first. */
  comments: Comment[];
  /** For the next page; empty at the end. */
  nextPageToken: string;
}

/** Asks for a page of the replies to a comment. */
export interface ListRepliesRequest {
  /** To which comment, `machines/{machine}/comments/{comment}`. */
  parent: string;
  /** How many at most: 50 by default, 1000 at most. */
  pageSize: number;
  /** The token of the page before, for the next one; the other fields must be the same as then. */
  pageToken: string;
}

/** A page of replies. */
export interface ListRepliesResponse {
  /** The replies, oldest first. */
  replies: Comment[];
  /** For the next page; empty at the end. */
  nextPageToken: string;
}

/** Asks for a page of reviews. */
export interface ListReviewsRequest {
  /** Of which machine, `machines/{machine}`. */
  parent: string;
  /** How many at most: 50 by default, 1000 at most. */
  pageSize: number;
  /** The token of the page before, for the next one; the other fields must be the same as then. */
  pageToken: string;
}

/** A page of reviews. */
export interface ListReviewsResponse {
  /** The reviews, newest first. */
  reviews: Review[];
  /** For the next page; empty at the end. */
  nextPageToken: string;
}

/** What somebody who has rented a machine thinks of it: one per person and machine. */
export interface Review {
  /**
   * The resource name, `machines/{machine}/reviews/{review}`. In requests `machines/{machine}/reviews/me`
   * stands for the caller's own.
   */
  name: string;
  /** A UUID that is never used twice. */
  uid: string;
  /** Who wrote it, `users/{user}`; `users/deleted` where the account is gone. */
  author: string;
  /** What the author is called now; empty where they gave no name, and in facts. */
  authorName: string;
  /** One star to five. */
  stars: number;
  /**
   * Why, in Markdown, at most 4,000 characters, no control characters but tab and line ends; may be
   * empty. It is kept as it was written; whoever shows it makes it safe.
   */
  text: string;
  /** Changes with every change; send it back to be told of a lost race. */
  etag: string;
  /** When it was first written. */
  createTime?: string;
  /** When its author last changed it. */
  updateTime?: string;
}

/** Asks to write a review. */
export interface SetReviewRequest {
  /**
   * The review: its name, `machines/{machine}/reviews/me`, its stars and text, and, where it must take
   * the place of the one that was read, that one's etag.
   */
  review?: Review;
}

/** Asks to vote. */
export interface SetVoteRequest {
  /** The vote: its name, `machines/{machine}/votes/me`, and its direction. */
  vote?: Vote;
}

/** Asks to change a comment. */
export interface UpdateCommentRequest {
  /** The comment: its name, its new text, and the etag that it was read with. */
  comment?: Comment;
  /** The fields to change: `text`, which is also what is changed without it. */
  updateMask?: string;
}

/** Whether somebody likes a machine: one per person and machine, seen by that person alone. */
export interface Vote {
  /** The resource name, `machines/{machine}/votes/me`: the caller's own. */
  name: string;
  /** Which way. */
  direction: VoteDirection;
  /** When it was last changed. */
  updateTime?: string;
}

/** Asks to add a machine. */
export interface CreateMachineRequest {
  /** The machine; its name is not read. */
  machine?: Machine;
  /** The last part of its name: lower-case letters, digits and hyphens, at most 63. */
  machineId: string;
  /**
   * A UUID of the caller's choice: the same request sent again with it within 24 hours gets the
   * first answer and has no second effect.
   */
  requestId: string;
}

/** Asks to take a picture away. */
export interface DeleteMachinePictureRequest {
  /** `machines/{machine}/icon` or `machines/{machine}/banner`. */
  name: string;
  /** The etag that the machine was read with; empty to change whatever is there. */
  etag: string;
}

/** Asks to delete a machine. */
export interface DeleteMachineRequest {
  /** `machines/{machine}`. */
  name: string;
  /** The etag that it was read with; empty to delete whatever is there. */
  etag: string;
}

/** Asks for a machine as YAML. */
export interface ExportMachineRequest {
  /** `machines/{machine}`. */
  name: string;
  /** Which version of it; 0 for the present one. */
  version: number;
}

/** Asks to make a machine from another one. */
export interface ForkMachineRequest {
  /** `machines/{machine}`. */
  name: string;
  /** The last part of the new machine's name: lower-case letters, digits and hyphens, at most 63. */
  machineId: string;
  /** Which version of it; 0 for the present one. */
  version: number;
  /** What people read first of the new machine; empty for the same title. */
  title: string;
}

/** Asks for a picture. */
export interface GetMachinePictureRequest {
  /** `machines/{machine}/icon` or `machines/{machine}/banner`. */
  name: string;
  /** The digest of the picture: an answer for it may be kept for ever. Empty for the present one. */
  digest: string;
}

/** Asks for a machine. */
export interface GetMachineRequest {
  /** `machines/{machine}`. */
  name: string;
  /** Which version of it; 0 for the present one. */
  version: number;
}

/** Ready once an HTTP GET answers with a status below 400. */
export interface HttpProbe {
  /** The number inside the container; 0 for the main port. */
  port: number;
  /** The path, `/healthz`; `/` by default. */
  path: string;
}

/** Asks to make or change a machine as a document says. */
export interface ImportMachineRequest {
  /** The document, YAML in UTF-8, at most 256 KiB; what its content type says is not read. */
  definition?: Blob;
  /** Whether a machine of the name that is there already is changed to what the document says. */
  replaceExisting: boolean;
}

/** Where a fork comes from. */
export interface Lineage {
  /** The machine that it was made from: `machines/{machine}`. It may be gone by now. */
  machine: string;
  /** The version of that machine. */
  version: number;
}

/** Asks for the versions of a machine. */
export interface ListMachineVersionsRequest {
  /** `machines/{machine}`. */
  parent: string;
  /** How many at most: 50 by default, 1000 at most. */
  pageSize: number;
  /** The token of the page before, for the next one; the other fields must be the same as then. */
  pageToken: string;
}

/** A page of the versions of a machine. */
export interface ListMachineVersionsResponse {
  /** The machine as it was in each version, the newest first. */
  versions: Machine[];
  /** For the next page; empty at the end. */
  nextPageToken: string;
}

/** Asks for a page of the catalogue. */
export interface ListMachinesRequest {
  /** How many at most: 50 by default, 1000 at most. */
  pageSize: number;
  /** The token of the page before, for the next one; the other fields must be the same as then. */
  pageToken: string;
  /**
   * Which ones, conditions joined by AND: `state = ACTIVE`, `title : "redis"` (contains), `image`,
   * `resource_class`, `category`, `tags : "sql"` (has the tag), `publisher = "users/me"`,
   * `price <= 100` (an hour, in the smallest unit of the currency), `submitted = true` (waits for an
   * admin).
   */
  filter: string;
  /**
   * In which order: `title`, `create_time`, `update_time`, `price`, `rating`, `rents`, each with
   * ` desc` if wished; `title` by default, and with a query `relevance desc`.
   */
  orderBy: string;
  /**
   * Words to look for, in titles, names, categories, tags and descriptions: each must be there, the last
   * one as the beginning of a word. Case and accents do not count. At most 200 characters.
   */
  query: string;
}

/** A page of the catalogue. */
export interface ListMachinesResponse {
  /** The machines. */
  machines: Machine[];
  /** For the next page; empty at the end. */
  nextPageToken: string;
}

/**
 * How a probe goes on while an instance is ready. One that has not answered `failures` times in a row is
 * UNHEALTHY, until it answers again. With a log probe that is one in whose log no line has matched for
 * `failures` periods: so it needs a pattern that the program writes again and again.
 */
export interface Liveness {
  /**
   * Whether an instance that does not answer is restarted, by the rules of a program that has ended
   * with an error, whatever the restart policy is. One that is paused at the engine is left alone.
   */
  restart: boolean;
  /** How often it is looked: 1 s to 10 min, 10 s by default. */
  period?: string;
  /** How many times in a row it must not have answered: 1 to 100, 3 by default. */
  failures: number;
}

/** Ready once a line of the log matches. */
export interface LogProbe {
  /** A regular expression (RE2 syntax) that some part of a line matches. */
  pattern: string;
}

/** An entry of the catalogue: a template from which allocations are made. */
export interface Machine {
  /** The resource name, `machines/{machine}`, chosen at creation and never changed. */
  name: string;
  /** A UUID that is never used twice. */
  uid: string;
  /** What people read first, 1 to 80 characters. */
  title: string;
  /** What it is and how to use it, in Markdown; at most 10,000 characters. */
  description: string;
  /** The container image, `redis:7-alpine`. Empty for a machine that only a process can run. */
  image: string;
  /**
   * The program and its arguments. Empty for what the image runs by itself. `PORT` and each
   * variable are in its environment.
   */
  command: string[];
  /** The ports that it listens on; the first is the main one. None for a machine that only writes its log. */
  ports: Port[];
  /** The variables that it takes, in the order in which people are asked for them. */
  variables: Variable[];
  /** How much of the host it may use: `nano`, `small`, `medium`, `large`; `small` by default. */
  resourceClass: string;
  /**
   * How one sees that it is ready. By default: its main port accepts connections, or, where it has
   * none, that it runs.
   */
  probe?: Probe;
  /** What an hour in state READY costs. Unset: nothing. */
  pricePerHour?: Money;
  /**
   * Who made it: `users/{user}`; empty for the allocator itself, `users/deleted` where the person has
   * gone.
   */
  publisher: string;
  /** How many may be allocated at once; 0 for no limit. */
  stock: number;
  /** Changed only by PublishMachine and RetireMachine; see `submission` for what waits for an admin. */
  state: MachineState;
  /** Counts the changes, from 1. An allocation remembers which one it was made from. */
  version: number;
  /** Changes with every change; send it back with an update to be told of a lost race. */
  etag: string;
  /** Free labels: keys of up to 63 characters, values of up to 255, at most 64 of them. */
  labels: Record<string, string>;
  /** When it was made. */
  createTime?: string;
  /** When it last changed. */
  updateTime?: string;
  /** Whether the runtime of this installation can run it. */
  availability: MachineAvailability;
  /** The user that the program runs as inside its container, `1000:1000`; empty for the image's own. */
  runAs: string;
  /** How long it may take to stop by itself before it is killed: 1 s to 5 min, 10 s by default. */
  stopGrace?: string;
  /**
   * True where the program of `command` comes with the image, so that a runtime that runs commands
   * only cannot run it.
   */
  needsImage: boolean;
  /** What kind of thing it is, in one word: `database`, `development`; empty for none. */
  category: string;
  /** Words to find it by: `sql`, `key-value`; at most 16, each once. */
  tags: string[];
  /** A small square picture; unset where there is none. Set by SetMachinePicture. */
  icon?: Picture;
  /** A wide picture; unset where there is none. Set by SetMachinePicture. */
  banner?: Picture;
  /** What it was forked from; unset for one that was made from nothing. Never changed. */
  forkedFrom?: Lineage;
  /** What came of showing a draft to the admins; unset where that was not done. */
  submission?: Submission;
  /** The mean of the stars of its reviews, 1 to 5, to a hundredth; 0 without reviews. Some seconds old. */
  averageRating: number;
  /** How many reviews it has. Some seconds old. */
  reviews: number;
  /** How often it was rented. Some seconds old. */
  rents: number;
  /** The signal that asks its program to end; SIGKILL follows after `stop_grace`. */
  stopSignal: MachineStopSignal;
  /**
   * The folders that each allocation keeps while it lives, at most 8, none in another: they outlast
   * its instances and go with it. The program finds the first at `ALLOCATOR_VOLUME_1` in its
   * environment, and so on: in a container that is its path. Where only some are wrong, the reason is
   * VOLUME_INVALID.
   */
  volumes: MachinesVolume[];
  /**
   * What becomes of a program that has ended by itself, unless the allocation says otherwise; NEVER by
   * default.
   */
  restartPolicy: MachineRestartPolicy;
}

/** An amount of money. */
export interface Money {
  /** Three letters of ISO 4217: `EUR`. */
  currencyCode: string;
  /** How much, in the smallest unit of the currency (cents); a string in JSON. Up to 10^15. */
  minorUnits: string;
}

/** A picture of a machine, without its bytes: GetMachinePicture has them. */
export interface Picture {
  /**
   * Where a browser finds it, beside the address of the API: `/v1/machines/redis/icon?digest=…`. What
   * is there never changes: another picture has another digest.
   */
  uri: string;
  /** `image/png`, `image/jpeg` or `image/webp`, by its content. */
  mediaType: string;
  /** The SHA-256 of its bytes, in hexadecimal digits. */
  digest: string;
  /** How wide it is, in pixels. */
  width: number;
  /** How high it is, in pixels. */
  height: number;
  /** How large it is, in bytes. */
  sizeBytes: number;
}

/** A port that a machine listens on. */
export interface Port {
  /** The number inside the container, 1 to 65535. */
  number: number;
  /** TCP unless said otherwise. */
  protocol: PortProtocol;
  /** What it is for: `web page`, `metrics`; at most 40 characters. */
  title: string;
  /** The scheme with which a browser or a client opens it, `http`, `redis`; empty where there is none. */
  scheme: string;
}

/** How one sees that an instance is ready, and that it goes on to answer. */
export interface Probe {
  /** Ready once a TCP port accepts a connection. */
  tcp?: TcpProbe;
  /** Ready once an HTTP GET answers with a status below 400. */
  http?: HttpProbe;
  /** Ready once a line of the log matches. */
  log?: LogProbe;
  /**
   * How long after its start an instance may take to become ready before it has failed: 1 s to
   * 10 min, 60 s by default.
   */
  timeout?: string;
  /**
   * How it goes on once the instance is ready. Without it: every 10 s, and nothing is restarted; a log
   * probe then does not go on.
   */
  liveness?: Liveness;
}

/** Asks to put a machine into the catalogue. */
export interface PublishMachineRequest {
  /** `machines/{machine}`. */
  name: string;
  /** The etag that it was read with; empty to publish whatever is there. */
  etag: string;
}

/** Asks to refuse a draft. */
export interface RejectMachineRequest {
  /** `machines/{machine}`. */
  name: string;
  /** Why, for its publisher to read: 1 to 1000 characters. */
  rejection: string;
  /** The etag that the machine was read with; empty to reject whatever is there. */
  etag: string;
}

/** Asks to take a machine out of the catalogue. */
export interface RetireMachineRequest {
  /** `machines/{machine}`. */
  name: string;
  /** The etag that it was read with; empty to retire whatever is there. */
  etag: string;
}

/** Asks to make a machine again what it was. */
export interface RollbackMachineRequest {
  /** `machines/{machine}`. */
  name: string;
  /** Which version of it. */
  version: number;
  /** The etag that the machine was read with; empty to roll back whatever is there. */
  etag: string;
}

/** Asks to give a machine a picture. */
export interface SetMachinePictureRequest {
  /** `machines/{machine}/icon` or `machines/{machine}/banner`. */
  name: string;
  /** The picture itself; what its content type says is not read. */
  picture?: Blob;
  /** The etag that the machine was read with; empty to change whatever is there. */
  etag: string;
}

/** A draft that was shown to the admins. It waits for them while it has no reject_time. */
export interface Submission {
  /** When its publisher asked for it to be published. */
  submitTime?: string;
  /** When an admin said no. */
  rejectTime?: string;
  /** Why the admin said no. */
  rejection: string;
}

/** Asks the admins to publish a draft. */
export interface SubmitMachineRequest {
  /** `machines/{machine}`. */
  name: string;
  /** The etag that the machine was read with; empty to submit whatever is there. */
  etag: string;
}

/** Ready once a TCP port accepts a connection. */
export interface TcpProbe {
  /** The number inside the container; 0 for the main port. */
  port: number;
}

/** Asks to change a machine. */
export interface UpdateMachineRequest {
  /** The machine: its name, the fields to change, and the etag that it was read with. */
  machine?: Machine;
  /** The fields to change; without it, those that are not empty; `*` for all. */
  updateMask?: string;
}

/** A variable that a machine takes: it becomes an environment variable of the instance. */
export interface Variable {
  /** The name of the environment variable. Names that the loader or the shell obeys are refused. */
  key: string;
  /** What people are asked, at most 80 characters. */
  title: string;
  /** A longer explanation, at most 500 characters. */
  description: string;
  /** Whether an allocation without it, where there is no default, is refused. */
  required: boolean;
  /** The value where none is given, at most 4096 characters. */
  defaultValue: string;
  /** Whether its value is stored encrypted and never shown again. */
  secret: boolean;
  /** The values that it may have; empty for any. */
  choices: string[];
  /** A regular expression (RE2 syntax) that the whole value matches; empty for any. */
  pattern: string;
  /**
   * How many letters and digits a value has that is made for whoever gives none, 12 to 128; 0 for no
   * such value. Only for secret variables; it is told once, in the answer to CreateAllocation.
   */
  generatedLength: number;
}

/**
 * A folder that an allocation keeps: what is in it outlasts every instance, and goes with the
 * allocation unless its owner keeps it.
 */
export interface MachinesVolume {
  /**
   * Where the program finds it, `/data`: absolute, without `.`, `..` and empty parts; neither what
   * belongs to the system (`/`, `/etc`, `/usr`, …) nor in `/proc`, `/sys` or `/dev`.
   */
  path: string;
  /**
   * How much it may hold, in MiB: 1 to 10,485,760 (10 TiB). An allocation whose volume holds more is
   * stopped with VOLUME_FULL, once that was measured.
   */
  sizeMib: number;
  /** What it is for: `database files`; at most 40 characters. */
  title: string;
}

/** Asks to register a webhook. */
export interface CreateWebhookRequest {
  /** The webhook; its name is not read. */
  webhook?: Webhook;
  /**
   * A UUID of the caller's choice: the same request sent again with it within 24 hours gets the
   * first answer and has no second effect.
   */
  requestId: string;
}

/** Asks to remove a notification. */
export interface DeleteNotificationRequest {
  /** `notifications/{notification}`. */
  name: string;
}

/** Asks to remove a webhook. */
export interface DeleteWebhookRequest {
  /** `webhooks/{webhook}`. */
  name: string;
  /** The etag that it was read with; empty to remove whatever is there. */
  etag: string;
}

/** Asks to switch a webhook off. */
export interface DisableWebhookRequest {
  /** `webhooks/{webhook}`. */
  name: string;
}

/** Asks to switch a webhook on. */
export interface EnableWebhookRequest {
  /** `webhooks/{webhook}`. */
  name: string;
}

/** Asks for what a person wants to be told. */
export interface GetNotificationPreferencesRequest {
  /** `users/{user}/notificationPreferences`; `users/me` stands for the caller. */
  name: string;
}

/** Asks for a notification. */
export interface GetNotificationRequest {
  /** `notifications/{notification}`. */
  name: string;
}

/** Asks how many are not read. */
export type GetUnreadCountRequest = Record<string, never>;

/** How many are not read. */
export interface GetUnreadCountResponse {
  /** How many of the whole inbox are not read. */
  unreadCount: number;
}

/** Asks for a delivery. */
export interface GetWebhookDeliveryRequest {
  /** `webhooks/{webhook}/deliveries/{delivery}`. */
  name: string;
}

/** Asks for a webhook. */
export interface GetWebhookRequest {
  /** `webhooks/{webhook}`. */
  name: string;
}

/** Asks for a page of notifications. */
export interface ListNotificationsRequest {
  /** How many at most: 50 by default, 1000 at most. */
  pageSize: number;
  /** The token of the page before, for the next one; the other fields must be the same as then. */
  pageToken: string;
  /**
   * Which ones: `read = false`, `kind = "ALLOCATION_FAILED"`, `resource = "allocations/7f3k2m9q"`,
   * joined by AND.
   */
  filter: string;
}

/** A page of notifications. */
export interface ListNotificationsResponse {
  /** The notifications, newest first. */
  notifications: Notification[];
  /** For the next page; empty at the end. */
  nextPageToken: string;
  /** How many of the whole inbox are not read. */
  unreadCount: number;
}

/** Asks for a page of the deliveries of a webhook. */
export interface ListWebhookDeliveriesRequest {
  /** `webhooks/{webhook}`. */
  parent: string;
  /** How many at most: 50 by default, 1000 at most. */
  pageSize: number;
  /** The token of the page before, for the next one; the other fields must be the same as then. */
  pageToken: string;
  /** Which ones: `state = FAILED`, `kind = "ALLOCATION_READY"`, joined by AND. */
  filter: string;
}

/** A page of deliveries. */
export interface ListWebhookDeliveriesResponse {
  /** The deliveries. */
  deliveries: WebhookDelivery[];
  /** For the next page; empty at the end. */
  nextPageToken: string;
}

/** Asks for a page of the caller's webhooks. */
export interface ListWebhooksRequest {
  /** How many at most: 50 by default, 1000 at most. */
  pageSize: number;
  /** The token of the page before, for the next one; the other fields must be the same as then. */
  pageToken: string;
  /** Whose: `users/me` by default; admins may give another's name, or `users/-` for everybody's. */
  parent: string;
}

/** A page of webhooks. */
export interface ListWebhooksResponse {
  /** The webhooks. */
  webhooks: Webhook[];
  /** For the next page; empty at the end. */
  nextPageToken: string;
}

/** Says what was read. */
export interface MarkReadRequest {
  /** These: `notifications/{notification}`, at most 1000. */
  names: string[];
  /** True for all that are in the inbox now. */
  all: boolean;
}

/** What is left. */
export interface MarkReadResponse {
  /** How many of the whole inbox are not read now. */
  unreadCount: number;
}

/** What a person was told, as their inbox has it. */
export interface Notification {
  /** The resource name, `notifications/{notification}`, set by the server and never changed. */
  name: string;
  /**
   * What kind of notice it is, such as `ALLOCATION_READY`. More kinds come with time: show the title
   * and the text of one that you do not know.
   */
  kind: string;
  /** What has happened, in one line of at most 150 characters, in the person's language then. */
  title: string;
  /**
   * The same at length: plain text of at most 4,000 characters; lines that begin with four spaces are
   * quoted as they were.
   */
  text: string;
  /** What it is about, a resource name: `allocations/{allocation}`, `machines/{machine}`; may be empty. */
  resource: string;
  /** Whether the person has read it; changed by MarkRead. */
  read: boolean;
  /** When they have read it; unset before. */
  readTime?: string;
  /** When it happened, by the clock of the service that told of it. */
  eventTime?: string;
  /** When it came into the inbox. */
  createTime?: string;
}

/** Which notices of a kind reach a person, and how. */
export interface NotificationPreference {
  /** The kind. */
  kind: string;
  /**
   * Whether they are in the inbox of the page. Unset in a request: as by default. Always set in answers,
   * as the other channels are.
   */
  inPage?: boolean;
  /** Whether they go to the e-mail address, where it is verified. */
  email?: boolean;
  /** Whether they go to the phone number by SMS, where it is verified. */
  sms?: boolean;
  /** Whether they go to the person's webhooks. */
  webhook?: boolean;
  /** What such a notice tells, in a sentence. */
  description: string;
}

/**
 * What a person wants to be told, and how. One-time codes, and notes that guard the account, go out
 * whatever it says.
 */
export interface NotificationPreferences {
  /**
   * The resource name, `users/{user}/notificationPreferences`; in requests `users/me` stands for the
   * caller.
   */
  name: string;
  /** One entry for each kind. In an update, kinds that are left out stay as they are. */
  preferences: NotificationPreference[];
  /** Changes with every change; send it back with an update to be told of a lost race. */
  etag: string;
  /** When they were last changed; unset while they are as by default. */
  updateTime?: string;
}

/** Asks to send a delivery once more. */
export interface ReplayWebhookDeliveryRequest {
  /** `webhooks/{webhook}/deliveries/{delivery}`. */
  name: string;
}

/** Asks for a new secret. */
export interface RotateWebhookSecretRequest {
  /** `webhooks/{webhook}`. */
  name: string;
}

/** Asks to send a notice that tests a webhook. */
export interface TestWebhookRequest {
  /** `webhooks/{webhook}`. */
  name: string;
}

/** Asks to change what a person wants to be told. */
export interface UpdateNotificationPreferencesRequest {
  /** The name, the kinds to change, and the etag that they were read with. */
  notificationPreferences?: NotificationPreferences;
  /** The fields to change: `preferences`. Without it the same. */
  updateMask?: string;
}

/** Asks to change a webhook. */
export interface UpdateWebhookRequest {
  /** The webhook: its name, the fields to change, and the etag that it was read with. */
  webhook?: Webhook;
  /** The fields to change; without it, those that are not empty; `*` for all. */
  updateMask?: string;
}

/** Asks for a stream of notifications. */
export interface WatchNotificationsRequest {
  /** The last cursor that was received, to be told first what has come since; empty to begin with now. */
  cursor: string;
}

/** A notification that has come, or how many are unread now; at least one every 15 seconds. */
export interface WatchNotificationsResponse {
  /** What has come; unset in the first response, in a sign of life, and where only the count has changed. */
  notification?: Notification;
  /** How many of the whole inbox are not read now. */
  unreadCount: number;
  /** How far the stream has come: send it back to go on from here. */
  cursor: string;
}

/**
 * An address of a program that is told what happens: each notice of its owner is posted to it, signed
 * as the Standard Webhooks specification says.
 */
export interface Webhook {
  /** The resource name, `webhooks/{webhook}`, set by the server and never changed. */
  name: string;
  /** A UUID that is never used twice. */
  uid: string;
  /** Whose it is: `users/{user}`. */
  owner: string;
  /** What its owner calls it, at most 80 characters; may be empty. */
  title: string;
  /**
   * Where to: `https://…`, at most 2,000 characters, without a user, a password or a fragment. `http://…`
   * only where this installation allows it. Addresses of private networks are refused, unless it
   * allows them.
   */
  url: string;
  /**
   * Which kinds of notices it is told of, `ALLOCATION_READY`; none means all. Each once, at most 64.
   * NotificationPreferences list them. In what is posted the type of that is `allocation.ready`.
   */
  kinds: string[];
  /** Changed by EnableWebhook and DisableWebhook, and SUSPENDED by the server. */
  state: WebhookState;
  /**
   * The secret that signs what is sent: `whsec_` and the key in base64. In the answers of CreateWebhook
   * and RotateWebhookSecret only.
   */
  secret: string;
  /** Until when what is sent is signed with the former secret too, after a rotation. */
  formerSecretExpireTime?: string;
  /** Since when each attempt has failed; unset where the last one has not. */
  failingSince?: string;
  /** Changes with every change that its owner makes; send it back with an update to be told of a lost race. */
  etag: string;
  /** When it was made. */
  createTime?: string;
  /** When its owner last changed it. */
  updateTime?: string;
}

/** One notice on its way to a webhook. It is kept for 7 days after it has ended. */
export interface WebhookDelivery {
  /** The resource name, `webhooks/{webhook}/deliveries/{delivery}`, set by the server. */
  name: string;
  /** The kind of the notice, `ALLOCATION_READY`; `WEBHOOK_TEST` for one of TestWebhook. */
  kind: string;
  /** The header `webhook-id` of each attempt. */
  webhookId: string;
  /** Where it stands. */
  state: WebhookDeliveryState;
  /** How often it was tried. */
  attempts: number;
  /** The HTTP status that the last attempt was answered with; 0 without an answer. */
  responseCode: number;
  /** Why the last attempt failed, in words; empty where it did not. */
  error: string;
  /** When the notice was made. */
  createTime?: string;
  /** When it was last tried. */
  attemptTime?: string;
  /** When it is tried next; unset once it has ended. */
  nextAttemptTime?: string;
  /** When it is given up; unset once it has ended. */
  expireTime?: string;
}

/** Something that an admin has done. */
export interface AuditEvent {
  /** The resource name, `auditEvents/{audit_event}`, never changed. */
  name: string;
  /** When it was done, by the clock of the service that tells of it. */
  time?: string;
  /** It in words, in English: `Ada published machines/redis.` */
  text: string;
  /** Who did it: `users/{user}`; `users/deleted` for a person who has deleted the account. */
  actor: string;
  /** What the actor is called at present. */
  actorName: string;
  /** The call by which it was done: `allocator.machines.v1.MachineService/PublishMachine`. */
  method: string;
  /**
   * To what it was done: a resource name, `machines/redis`; `users/deleted` for a person who has deleted
   * the account.
   */
  resource: string;
  /** The type of the fact that tells of it: `allocator.machines.v1.MachinePublished`. */
  type: string;
  /** The service that tells of it, `machines_svc`. */
  source: string;
  /** The id of the trace of the call, 32 hexadecimal digits; empty where there is none. */
  traceId: string;
}

/**
 * A fact that a service could not take in. It waits until an admin replays or discards it, and holds up
 * nothing else.
 */
export interface DeadLetter {
  /** The resource name, `deadLetters/{dead_letter}`; the number in it is higher for later ones. */
  name: string;
  /** Which consumers could not take it in: `notifier.notices`. */
  group: string;
  /** The topic that it is on: `allocator.allocations.facts.v1`. */
  topic: string;
  /** What it is about, a resource name: `allocations/7f3k2m9q`. */
  key: string;
  /** The type of the fact: `allocator.allocations.v1.AllocationReady`; empty where it says none. */
  type: string;
  /** Why, from the closed list of reasons; INTERNAL_ERROR for a bug. */
  reason: string;
  /** What the fault says. */
  message: string;
  /** How often it was tried since it was told or replayed. */
  attempts: number;
  /** When it was given up. */
  failTime?: string;
  /** When it happened, by the clock of the service that tells of it; unset where it does not say. */
  factTime?: string;
  /** Who asked for what happened: `users/{user}` or a service; may be empty. */
  actor: string;
  /** The call by which it was asked for; may be empty. */
  method: string;
  /** The id of the trace that leads to it, 32 hexadecimal digits; may be empty. */
  traceId: string;
  /** True while it waits to be taken in again. */
  replaying: boolean;
  /** What the fact says, where this version knows its type. */
  content?: Struct;
  /**
   * What the fact says, as it was published, where this version does not know its type or cannot read
   * it; in base64 in JSON.
   */
  rawContent: string;
}

/** Asks for a dead letter to be thrown away. */
export interface DeleteDeadLetterRequest {
  /** `deadLetters/{dead_letter}`. */
  name: string;
}

/** Something that has happened to an allocation, as a service told it. */
export interface Event {
  /** The resource name, `allocations/{allocation}/timeline/{event}`, never changed. */
  name: string;
  /** When it happened, by the clock of the service that tells of it. */
  time?: string;
  /** It in words that the owner understands, in English: `Ada stopped it.` */
  text: string;
  /** The type of the fact: `allocator.allocations.v1.AllocationStopped`. Others come with later versions. */
  type: string;
  /** The service that tells of it, `allocation_svc`. */
  source: string;
  /**
   * Who asked for it: `users/{user}`, or a service; `users/deleted` for a person who has deleted the
   * account; empty where the service did it by itself.
   */
  actor: string;
  /** What the actor is called at present; empty where there is none. */
  actorName: string;
  /**
   * The call by which the actor asked: `allocator.allocations.v1.AllocationService/StopAllocation`;
   * empty where it was none.
   */
  method: string;
  /** The id of the trace that leads to it, 32 hexadecimal digits; empty where there is none. */
  traceId: string;
}

/** Asks for all that admins did. */
export interface ExportAuditEventsRequest {
  /** Conditions, as for ListAuditEvents. */
  filter: string;
}

/** One thing that an admin did. */
export interface ExportAuditEventsResponse {
  /** What was done. */
  auditEvent?: AuditEvent;
}

/** Asks for one dead letter. */
export interface GetDeadLetterRequest {
  /** `deadLetters/{dead_letter}`. */
  name: string;
}

/** Asks for a page of what admins did. */
export interface ListAuditEventsRequest {
  /** How many at most: 50 by default, 1000 at most. */
  pageSize: number;
  /** The token of the page before. */
  pageToken: string;
  /**
   * Conditions joined by AND on `actor`, `method`, `resource` and `type` (`=`, `!=`, `:` for contains)
   * and `time` (compared): `actor = "users/x" AND method : "Role" AND time > "2026-01-01T00:00:00Z"`.
   */
  filter: string;
  /** `time desc`, newest first, which is the default, or `time`, oldest first. */
  orderBy: string;
}

/** A page of what admins did. */
export interface ListAuditEventsResponse {
  /** The events, in the order that was asked for. */
  auditEvents: AuditEvent[];
  /** For the next page; empty at the end. */
  nextPageToken: string;
}

/** Asks for a page of dead letters. */
export interface ListDeadLettersRequest {
  /** How many at most: 50 by default, 1000 at most. */
  pageSize: number;
  /** The token of the page before. */
  pageToken: string;
  /**
   * Conditions joined by AND on `group`, `topic`, `key`, `type` and `reason` (`=`, `!=`, `:` for
   * contains), `replaying` (true or false) and `fail_time` (compared): `group = "notifier.notices"`.
   */
  filter: string;
}

/** A page of dead letters. */
export interface ListDeadLettersResponse {
  /**
   * The dead letters, the oldest first. A page may hold fewer than were asked for, or none, before the
   * end.
   */
  deadLetters: DeadLetter[];
  /** For the next page; empty at the end. */
  nextPageToken: string;
}

/** Asks for a page of the timeline of an allocation. */
export interface ListEventsRequest {
  /** The allocation, `allocations/{allocation}`. */
  parent: string;
  /** How many at most: 50 by default, 1000 at most. */
  pageSize: number;
  /** The token of the page before. */
  pageToken: string;
  /** `time desc`, newest first, which is the default, or `time`, oldest first. */
  orderBy: string;
}

/** A page of the timeline of an allocation. */
export interface ListEventsResponse {
  /** The events, in the order that was asked for. */
  events: Event[];
  /** For the next page; empty at the end. */
  nextPageToken: string;
}

/** Asks for all dead letters to be taken in again. */
export interface ReplayAllDeadLettersRequest {
  /** Those of this group alone, `notifier.notices`; empty for those of all. */
  group: string;
}

/** What was begun. */
export interface ReplayAllDeadLettersResponse {
  /** How many dead letters wait now to be taken in again. */
  replayingCount: number;
}

/** Asks for a dead letter to be taken in again. */
export interface ReplayDeadLetterRequest {
  /** `deadLetters/{dead_letter}`. */
  name: string;
}

/** A personal access token: lets a program act for a person, within scopes, until it ends. */
export interface AccessToken {
  /** The resource name, `accessTokens/{access_token}`, set by the server. */
  name: string;
  /** What it is for, in the person's words: 1 to 100 characters. */
  title: string;
  /**
   * What it may do: `allocations:read`, `allocations:write` and so on, for the nouns of the public
   * packages (`users`, `machines`, `allocations`, `consoles`, …), and `admin`, which only admins can
   * give and which alone lets the token use the role. `write` does not include `read`.
   */
  scopes: string[];
  /** When it ends: in the future, at most 365 days after it is made; 30 days after it where not given. */
  expireTime?: string;
  /** When it was made. */
  createTime?: string;
  /** When it was last used, to within a few minutes; absent where it never was. */
  lastUseTime?: string;
  /**
   * The token itself, for the `Authorization: Bearer` header. Only in the answer of CreateAccessToken:
   * it is kept nowhere and cannot be shown again.
   */
  token: string;
}

/** Asks for another e-mail address or phone number. */
export interface ChangeContactRequest {
  /** `users/me`, or one's own `users/{user}`. */
  name: string;
  /** Another e-mail address. */
  email?: string;
  /** Another phone number, in E.164 form. */
  phoneNumber?: string;
  /** The caller's password: whoever found an unlocked device shall not take the account with it. */
  currentPassword: string;
}

/** Says what is to be done to change the e-mail address or phone number. */
export interface ChangeContactResponse {
  /**
   * True when a code was sent to the new one: send it to ConfirmContact. False where it is the
   * caller's own already.
   */
  confirmationRequired: boolean;
}

/** Asks for another password. */
export interface ChangePasswordRequest {
  /** `users/me`, or one's own `users/{user}`. */
  name: string;
  /** The password so far. */
  currentPassword: string;
  /** The new one: 10 to 256 characters. */
  newPassword: string;
}

/** Confirms another e-mail address or phone number. */
export interface ConfirmContactRequest {
  /** `users/me`, or one's own `users/{user}`. */
  name: string;
  /** The code that was sent to the new one: six digits. */
  code: string;
}

/** Shows a code of the new secret. */
export interface ConfirmTotpRequest {
  /** `users/me`, or one's own `users/{user}`. */
  name: string;
  /** The present code: six digits. */
  totpCode: string;
}

/** What helps where the device is lost. */
export interface ConfirmTotpResponse {
  /** Ten codes, each good for one log-in; shown this once. */
  recoveryCodes: string[];
}

/** Asks for a new access token. */
export interface CreateAccessTokenRequest {
  /** Its title, its scopes, and its end if it shall be another than in 30 days. */
  accessToken?: AccessToken;
}

/** Asks for a new invitation. */
export interface CreateInvitationRequest {
  /** What it shall be; all of it may be left out. */
  invitation?: Invitation;
}

/** Asks to log in. */
export interface CreateSessionRequest {
  /** The e-mail address of the account, or a verified phone number in E.164 form, `+4930123456`. */
  email: string;
  /** The password. */
  password: string;
  /** True to get the refresh token as an HttpOnly, SameSite=Strict cookie: for browsers. */
  cookie: boolean;
  /** The present code of the authenticator app, where the account has a second factor: six digits. */
  totpCode: string;
  /** A recovery code instead, which is used up by it; capitals, spaces and hyphens do not matter. */
  recoveryCode: string;
}

/** Asks to sign up. */
export interface CreateUserRequest {
  /** The account: e-mail address; phone number, names and language if wished. */
  user?: User;
  /** The password: 10 to 256 characters. */
  password: string;
  /** A UUID of the caller's choice: the same request sent again with it has no second effect. */
  requestId: string;
  /** Where the one-time code is sent. */
  verifyBy: CreateUserRequestVerifyBy;
  /**
   * The code of an invitation, in capitals or not, with or without its dashes. Needed where people sign up
   * by invitation, and counts for nothing elsewhere.
   */
  invitationCode: string;
}

/** Says where the one-time code was sent. */
export interface CreateUserResponse {
  /** The e-mail address, as it was given; empty where the code was sent to the phone number. */
  email: string;
  /** True when the account must be verified before it can be used: send the code to VerifyUser. */
  verificationRequired: boolean;
  /** The phone number that the code was sent to, if it was. */
  phoneNumber: string;
}

/** Asks to end an access token. */
export interface DeleteAccessTokenRequest {
  /** `accessTokens/{access_token}`. */
  name: string;
}

/** Asks to withdraw an invitation. */
export interface DeleteInvitationRequest {
  /** `invitations/{invitation}`. */
  name: string;
}

/** Asks to log out. */
export interface DeleteSessionRequest {
  /** `sessions/{session}`; `sessions/-` for all of the caller's. */
  name: string;
}

/** Asks to end an account. */
export interface DeleteUserRequest {
  /** `users/me`, one's own `users/{user}`, or, as an admin, anybody's. */
  name: string;
  /**
   * The password of the caller, where the log-in is older than ten minutes; an admin who ends somebody
   * else's account gives the admin's own.
   */
  currentPassword: string;
  /** The etag that the account was read with, if a lost race matters. */
  etag: string;
}

/** Asks to disable an account. */
export interface DisableUserRequest {
  /** Whom: `users/{user}`. */
  name: string;
  /** Why: the person reads it when they try to log in. At most 500 characters. */
  reason: string;
}

/** Asks to enable an account. */
export interface EnableUserRequest {
  /** Whom: `users/{user}`. */
  name: string;
}

/** Asks for a secret. */
export interface EnrollTotpRequest {
  /** `users/me`, or one's own `users/{user}`. */
  name: string;
  /** The password. */
  password: string;
}

/** A secret for an authenticator app, shown this once. */
export interface EnrollTotpResponse {
  /** The secret in base 32, to be typed where nothing can be scanned. */
  secret: string;
  /** The same as an `otpauth://` address. */
  uri: string;
  /** The same as a QR code: an SVG document with a white ground. */
  qrSvg: string;
}

/** Asks for an invitation. */
export interface GetInvitationRequest {
  /** `invitations/{invitation}`. */
  name: string;
}

/** Asks who can sign up. */
export type GetSignUpPolicyRequest = Record<string, never>;

/** Asks how far the second factor is. */
export interface GetTotpRequest {
  /** `users/me/totp`, or one's own `users/{user}/totp`; for admins anybody's. */
  name: string;
}

/** Asks for an account. */
export interface GetUserRequest {
  /** `users/{user}` or `users/me`. */
  name: string;
}

/** Asks to give a role. */
export interface GrantRoleRequest {
  /** Whom: `users/{user}`. */
  name: string;
  /** The role. */
  role: UserRole;
}

/** Lets people sign up where sign-up is by invitation. It grants no role. */
export interface Invitation {
  /** The resource name, `invitations/{invitation}`, set by the server. */
  name: string;
  /** Whom it is for, in the admin's words: at most 100 characters. */
  title: string;
  /**
   * The only e-mail address that can sign up with it; it gets the code by mail. Empty for anybody who
   * has the code.
   */
  email: string;
  /** The language of that mail (BCP 47): `en`, `de`. English where it is empty. */
  languageCode: string;
  /**
   * How many addresses or numbers can sign up with it: 1 where not given, 1000 at most. The same one
   * again counts once.
   */
  maxUses: number;
  /** When it ends: in the future, at most 365 days after it is made; 7 days after it where not given. */
  expireTime?: string;
  /** How many have signed up with it. */
  useCount: number;
  /** Whether somebody can still sign up with it. */
  state: InvitationState;
  /** The admin who has made it, `users/{user}`. It goes with that account. */
  creator: string;
  /** When it was made. */
  createTime?: string;
  /**
   * The code, to sign up with; the page `/signup#invitation={code}` of the web console takes it from
   * there. Only in the answer of CreateInvitation: it is kept nowhere and cannot be shown again.
   */
  code: string;
}

/** Asks for a page of access tokens. */
export interface ListAccessTokensRequest {
  /** How many at most: 50 by default, 1000 at most. */
  pageSize: number;
  /** The token of the page before. */
  pageToken: string;
}

/** A page of access tokens. */
export interface ListAccessTokensResponse {
  /** The access tokens, newest first, without `token`. */
  accessTokens: AccessToken[];
  /** For the next page; empty at the end. */
  nextPageToken: string;
}

/** Asks for a page of invitations. */
export interface ListInvitationsRequest {
  /** How many at most: 50 by default, 1000 at most. */
  pageSize: number;
  /** The token of the page before. */
  pageToken: string;
}

/** A page of invitations. */
export interface ListInvitationsResponse {
  /** The invitations, newest first, without `code`. */
  invitations: Invitation[];
  /** For the next page; empty at the end. */
  nextPageToken: string;
}

/** Asks for a page of sessions. */
export interface ListSessionsRequest {
  /** How many at most: 50 by default, 1000 at most. */
  pageSize: number;
  /** The token of the page before. */
  pageToken: string;
}

/** A page of sessions. */
export interface ListSessionsResponse {
  /** The sessions, newest first, without tokens. */
  sessions: Session[];
  /** For the next page; empty at the end. */
  nextPageToken: string;
}

/** Asks for a page of accounts. */
export interface ListUsersRequest {
  /** How many at most: 50 by default, 1000 at most. */
  pageSize: number;
  /** The token of the page before, for the next one; the other fields must be the same as then. */
  pageToken: string;
  /**
   * Which ones, joined by AND: `state = DISABLED`, `role = ADMIN`, `verified = true`,
   * `email = "ada@example.org"`, `email : "@example.org"` (contains), `phone_number : "+49"`,
   * `create_time >= "2026-03-01T00:00:00Z"`.
   */
  filter: string;
  /**
   * In which order: `create_time`, `update_time`, `email`, each with ` desc` if wished, joined by
   * commas; `create_time desc` by default.
   */
  orderBy: string;
}

/** A page of accounts. */
export interface ListUsersResponse {
  /** The accounts, in the order that was asked for. */
  users: User[];
  /** For the next page; empty at the end. */
  nextPageToken: string;
}

/** Asks for the next pair of tokens. */
export interface RefreshSessionRequest {
  /** The refresh token; empty where the cookie carries it. */
  refreshToken: string;
}

/** Asks to remove the second factor. */
export interface RemoveTotpRequest {
  /** `users/me`, or one's own `users/{user}`; for admins anybody's. */
  name: string;
  /** The password. */
  password?: string;
  /** The present code: six digits. */
  totpCode?: string;
  /** A recovery code. */
  recoveryCode?: string;
}

/** Asks for a code with which a forgotten password can be replaced. */
export interface RequestPasswordResetRequest {
  /** A verified e-mail address. */
  email?: string;
  /** A verified phone number. */
  phoneNumber?: string;
}

/** Replaces a forgotten password. */
export interface ResetPasswordRequest {
  /** The e-mail address that the code was sent to. */
  email?: string;
  /** The phone number that the code was sent to. */
  phoneNumber?: string;
  /** The code that was sent to it: six digits. */
  code: string;
  /** The new password: 10 to 256 characters. */
  newPassword: string;
}

/** Asks to take a role. */
export interface RevokeRoleRequest {
  /** From whom: `users/{user}`. */
  name: string;
  /** The role. */
  role: UserRole;
}

/** Asks for a new one-time code. */
export interface SendVerificationCodeRequest {
  /** The e-mail address that somebody has signed up with. */
  email?: string;
  /** The phone number that somebody has signed up with. */
  phoneNumber?: string;
}

/** A log-in: from one device until it is logged out, or is not refreshed for 30 days. */
export interface Session {
  /** The resource name, `sessions/{session}`. */
  name: string;
  /**
   * A JSON Web Token for the `Authorization: Bearer` header, good until `expire_time`. Only in the
   * answers of CreateSession and RefreshSession.
   */
  accessToken: string;
  /**
   * Opaque; exchanges for the next pair of tokens, once. Only in the answers of CreateSession and
   * RefreshSession, and not even there for browsers, which hold it in a cookie that scripts cannot read.
   */
  refreshToken: string;
  /** When the access token ends. */
  expireTime?: string;
  /** Who logged in. In lists, only the name is set. */
  user?: User;
  /** When the person logged in. */
  createTime?: string;
  /** When it was last used: refreshed, or at first made. */
  refreshTime?: string;
  /** The program that last used it, by its own words. */
  userAgent: string;
  /** The network address that it was last used from. */
  address: string;
  /** True for the session that asks. */
  current: boolean;
  /** The device in plain words, made from `user_agent`: `Firefox on Linux`, `allocctl`. */
  device: string;
}

/** Who can sign up here. */
export interface SignUpPolicy {
  /** Who can sign up. */
  mode: SignUpPolicyMode;
}

/** The second factor of an account. */
export interface Totp {
  /** The resource name, `users/{user}/totp`. */
  name: string;
  /** How far it is. */
  state: TotpState;
  /** When it was confirmed; absent before. */
  confirmTime?: string;
  /** How many recovery codes are left, of ten. */
  recoveryCodesLeft: number;
}

/** Asks to change an account. */
export interface UpdateUserRequest {
  /** The account: its name, the fields to change, and the etag it was read with, if a lost race matters. */
  user?: User;
  /**
   * The fields to change: `given_name`, `family_name`, `language_code`. Without it, those that are not
   * empty.
   */
  updateMask?: string;
}

/** A person's account. */
export interface User {
  /**
   * The resource name, `users/{user}`, set by the server and never changed. `users/me` stands for
   * the caller in requests.
   */
  name: string;
  /** A UUID that is never used twice. */
  uid: string;
  /**
   * The e-mail address. Once `email_verified` it is nobody else's, whatever its case, and the person
   * logs in with it. Changed only by ChangeContact and ConfirmContact.
   */
  email: string;
  /**
   * A phone number in E.164 form, `+4930123456`; may be empty. Once `phone_verified` it is nobody
   * else's. Changed only by ChangeContact and ConfirmContact.
   */
  phoneNumber: string;
  /** The given name, at most 100 characters; may be empty. */
  givenName: string;
  /** The family name, at most 100 characters; may be empty. */
  familyName: string;
  /**
   * True once the person has shown, by a one-time code, that the e-mail address or the phone number is
   * theirs.
   */
  verified: boolean;
  /** The person's roles; changed only by GrantRole and RevokeRole. */
  roles: UserRole[];
  /** Changed only by DisableUser and EnableUser. */
  state: UserState;
  /** Changes with every change of the account; send it back with an update to be told of a lost race. */
  etag: string;
  /** When the person signed up. */
  createTime?: string;
  /** When the account last changed. */
  updateTime?: string;
  /** The language that the person is written to in (BCP 47): `en` or `de`; `en` by default. */
  languageCode: string;
  /** True once the person has shown that the e-mail address is theirs. */
  emailVerified: boolean;
  /** True once the person has shown that the phone number is theirs. */
  phoneVerified: boolean;
  /** Why an admin has disabled the account, in the admin's words; empty while it is active. */
  disableReason: string;
}

/** Shows a one-time code. */
export interface VerifyUserRequest {
  /** The e-mail address that the code was sent to. */
  email?: string;
  /** The phone number that the code was sent to. */
  phoneNumber?: string;
  /** The code that was sent to it: six digits. */
  code: string;
}

export interface ListValue {
  values: Value[];
}

export interface Struct {
  fields: Record<string, Value>;
}

export interface Value {
  nullValue?: NullValue;
  numberValue?: number;
  stringValue?: string;
  boolValue?: boolean;
  structValue?: Struct;
  listValue?: ListValue;
}

/** The defaults of what frames are made of. */
export const SHAPES = {
  Allocation: { zeros: {"name": "", "uid": "", "owner": "", "machine": "", "machineVersion": 0, "machineTitle": "", "displayName": "", "variables": [], "desiredState": "STATE_UNSPECIFIED", "state": "STATE_UNSPECIFIED", "host": "", "port": 0, "endpoints": [], "generation": 0, "progress": "", "etag": "", "labels": {}, "resourceClass": "", "newerMachineVersion": 0, "restartPolicy": "RESTART_POLICY_UNSPECIFIED", "node": "", "restartCount": 0, "volumes": [], "expireAction": "END_ACTION_UNSPECIFIED"}, parts: {"variables": "VariableValue", "stateReason": "StateReason", "endpoints": "Endpoint", "queue": "QueuePlace", "pricePerHour": "Money", "volumes": "AllocationVolume", "idlePolicy": "IdlePolicy", "schedule": "Schedule", "planned": "PlannedChange"} },
  AllocationVolume: { zeros: {"path": "", "volume": ""}, parts: {} },
  Endpoint: { zeros: {"host": "", "port": 0, "protocol": "PROTOCOL_UNSPECIFIED", "containerPort": 0, "title": "", "scheme": ""}, parts: {} },
  IdlePolicy: { zeros: {}, parts: {} },
  PlannedChange: { zeros: {"desiredState": "STATE_UNSPECIFIED"}, parts: {"reason": "StateReason"} },
  QueuePlace: { zeros: {"position": 0, "length": 0}, parts: {"waitingFor": "StateReason"} },
  Schedule: { zeros: {"timeZone": "", "actions": []}, parts: {"actions": "ScheduledAction"} },
  ScheduledAction: { zeros: {"action": "ACTION_UNSPECIFIED", "days": [], "time": ""}, parts: {} },
  StateReason: { zeros: {"reason": "REASON_UNSPECIFIED", "message": "", "outOfMemory": false, "lastLines": []}, parts: {} },
  VariableValue: { zeros: {"key": "", "value": "", "secret": false}, parts: {} },
  Auth: { zeros: {"token": "", "allocation": ""}, parts: {} },
  AuthExpiring: { zeros: {}, parts: {} },
  Bye: { zeros: {"reason": "", "message": ""}, parts: {} },
  ClientFrame: { zeros: {}, parts: {"auth": "Auth", "resume": "Resume", "filter": "Filter"} },
  Filter: { zeros: {"contains": "", "stream": "STREAM_UNSPECIFIED"}, parts: {} },
  Gap: { zeros: {"firstSeq": "0", "lastSeq": "0", "cause": "CAUSE_UNSPECIFIED"}, parts: {} },
  Hello: { zeros: {"allocation": "", "firstCursor": "0", "lastCursor": "0", "maxFrameBytes": 0, "maxFramesPerSecond": 0, "maxLineBytes": 0}, parts: {} },
  LogLines: { zeros: {"firstSeq": "0", "times": [], "texts": [], "streams": "", "truncated": [], "generation": 0, "incarnation": 0, "seqs": [], "lastSeq": "0"}, parts: {} },
  Notice: { zeros: {"message": ""}, parts: {} },
  Resume: { zeros: {"cursor": "0"}, parts: {} },
  ServerFrame: { zeros: {}, parts: {"hello": "Hello", "log": "LogLines", "gap": "Gap", "state": "StateChange", "stats": "Stats", "notice": "Notice", "authExpiring": "AuthExpiring", "bye": "Bye"} },
  StateChange: { zeros: {}, parts: {"allocation": "Allocation"} },
  Stats: { zeros: {"cpuMillis": 0, "memoryBytes": "0", "memoryLimitBytes": "0", "receivedBytes": "0", "sentBytes": "0", "pids": 0}, parts: {} },
  Money: { zeros: {"currencyCode": "", "minorUnits": "0"}, parts: {} },
};

/**
 * Rents a machine: everything that it needs is taken as one, or nothing is. Answers at once, with its
 * address, in PROVISIONING; WatchAllocations or GetAllocation tell when it is READY. Where there is no
 * room and `when_full` is WAIT, it is PENDING, without an address, until its turn has come.
 * Fails with NEVER_FITS, CAPACITY_EXHAUSTED, OTHERS_WAIT, QUEUE_FULL, MACHINE_NOT_FOUND, MACHINE_NOT_ACTIVE, MACHINE_NOT_RUNNABLE, VARIABLE_MISSING,
 * VARIABLE_UNKNOWN, VARIABLE_INVALID, QUOTA_EXCEEDED, STOCK_EXHAUSTED, PORTS_EXHAUSTED,
 * RUNTIME_ADMINS_ONLY, NODE_DRAINED, VOLUME_PATH_UNKNOWN, VOLUME_NOT_FOUND, VOLUME_IN_USE,
 * VOLUME_ELSEWHERE.
 */
export const createAllocation: Unary<CreateAllocationRequest, Allocation> =
  unary("POST", "/v1/allocations", "allocation");

/**
 * Reads one allocation.
 * Fails with ALLOCATION_NOT_FOUND.
 */
export const getAllocation: Unary<GetAllocationRequest, Allocation> =
  unary("GET", "/v1/{name=allocations/*}");

/**
 * Lists the caller's allocations, newest first; with `parent=users/-`, an admin lists everybody's.
 * Fails with FILTER_INVALID, PAGE_TOKEN_INVALID, PARENT_FOREIGN.
 */
export const listAllocations: Unary<ListAllocationsRequest, ListAllocationsResponse> =
  unary("GET", "/v1/allocations");

/**
 * Changes the display name, the labels, the restart policy, the resource class, and when it stops or
 * starts by itself.
 * Fails with ALLOCATION_NOT_FOUND, ETAG_STALE, FIELD_NOT_UPDATABLE, EXPIRE_TIME_INVALID,
 * IDLE_TIMEOUT_INVALID, SCHEDULE_INVALID.
 */
export const updateAllocation: Unary<UpdateAllocationRequest, Allocation> =
  unary("PATCH", "/v1/{allocation.name=allocations/*}", "allocation");

/**
 * Removes an allocation, with its instance, its files and, unless they are to be kept, its volumes,
 * from whatever state it is in. It lives on as history. Deleting a deleted one changes nothing.
 * Fails with ALLOCATION_NOT_FOUND, ETAG_STALE, VOLUMES_EXCEEDED, VOLUME_TOO_LARGE (more than the
 * owner may keep).
 */
export const deleteAllocation: Unary<DeleteAllocationRequest, Allocation> =
  unary("DELETE", "/v1/{name=allocations/*}");

/**
 * Starts a stopped or failed allocation. Starting a running one changes nothing.
 * Fails with ALLOCATION_NOT_FOUND, ALLOCATION_DELETED, VOLUME_FULL, ALLOCATION_EXPIRED.
 */
export const startAllocation: Unary<StartAllocationRequest, Allocation> =
  unary("POST", "/v1/{name=allocations/*}:start", "*");

/**
 * Stops an allocation; its files and its address stay. Stopping a stopped one changes nothing.
 * Fails with ALLOCATION_NOT_FOUND, ALLOCATION_DELETED.
 */
export const stopAllocation: Unary<StopAllocationRequest, Allocation> =
  unary("POST", "/v1/{name=allocations/*}:stop", "*");

/**
 * Stops the program and starts it again; its files and its address stay.
 * Fails with ALLOCATION_NOT_FOUND, ALLOCATION_DELETED, ALLOCATION_NOT_RUNNING.
 */
export const restartAllocation: Unary<RestartAllocationRequest, Allocation> =
  unary("POST", "/v1/{name=allocations/*}:restart", "*");

/**
 * Makes its instance anew from the newest version of its machine. Its volumes, the addresses of its
 * ports and the values of its variables stay; other files are lost. Ports and volumes that are new in
 * that version are taken now, as at creation; ports that it has no more are given back once the old
 * instance is gone, and volumes are kept. The old one runs on until the image of the new one is there.
 * A stopped one is made at its next start.
 * Fails with ALLOCATION_NOT_FOUND, ALLOCATION_DELETED, MACHINE_NOT_FOUND, MACHINE_NOT_ACTIVE,
 * MACHINE_NOT_RUNNABLE, MACHINE_TOO_DIFFERENT, VARIABLE_MISSING, VARIABLE_UNKNOWN, VARIABLE_INVALID,
 * NEVER_FITS, QUOTA_EXCEEDED, CAPACITY_EXHAUSTED, OTHERS_WAIT, PORTS_EXHAUSTED, RUNTIME_ADMINS_ONLY,
 * ENGINE_UNAVAILABLE.
 */
export const recreateAllocation: Unary<RecreateAllocationRequest, Allocation> =
  unary("POST", "/v1/{name=allocations/*}:recreate", "*");

/**
 * Tells what would come of renting a machine now; nothing is taken.
 * Fails with MACHINE_NOT_FOUND, ENGINE_UNAVAILABLE.
 */
export const estimateAllocation: Unary<EstimateAllocationRequest, EstimateAllocationResponse> =
  unary("POST", "/v1/allocations:estimate", "*");

/**
 * Takes a PENDING allocation out of the queue. One that never ran is DELETED; one that was stopped
 * before is STOPPED again, with its files and its address.
 * Fails with ALLOCATION_NOT_FOUND, ALLOCATION_NOT_WAITING.
 */
export const cancelAllocation: Unary<CancelAllocationRequest, Allocation> =
  unary("POST", "/v1/{name=allocations/*}:cancel", "*");

/**
 * Puts a PENDING allocation at a position of the queue.
 * Fails with ALLOCATION_NOT_FOUND, ALLOCATION_NOT_WAITING.
 */
export const prioritizeAllocation: Unary<PrioritizeAllocationRequest, Allocation> =
  unary("POST", "/v1/{name=allocations/*}:prioritize", "*");

/**
 * Tells all that is known about the instance behind an allocation, asked of the engine now.
 * Fails with ALLOCATION_NOT_FOUND, ENGINE_UNAVAILABLE.
 */
export const inspectAllocation: Unary<InspectAllocationRequest, InspectAllocationResponse> =
  unary("GET", "/v1/{name=allocations/*}:inspect");

/**
 * Streams the caller's allocations: each as it is now, then each time that one changes. A client
 * that reads too slowly skips states in between, but always gets the last one.
 * Over HTTP as server-sent events, or as NDJSON with `Accept: application/x-ndjson`.
 * Fails with PARENT_FOREIGN, SERVICE_STOPPING (open it again).
 */
export const watchAllocations: ServerStream<WatchAllocationsRequest, WatchAllocationsResponse> =
  stream("GET", "/v1/allocations:watch");

/**
 * Streams all that there is of an allocation as a zip archive: each volume as `volumes/….tar`, the log
 * as `log.txt`, and what is known of it as `report.json` and `report.csv`. How much its volumes hold,
 * is said before (`x-volume-bytes`). What is told of volumes at DownloadVolume is so here too.
 * Fails with ALLOCATION_NOT_FOUND, TRANSFERS_EXHAUSTED, TRANSFER_STALLED, ENGINE_UNAVAILABLE.
 */
export const downloadArchive: Download<DownloadArchiveRequest> =
  download("GET", "/v1/{name=allocations/*}/archive");

/**
 * Tells what an allocation was and for how long: in all, and interval by interval. A removed one is told
 * of too.
 * Fails with ALLOCATION_NOT_FOUND, PAGE_TOKEN_INVALID.
 */
export const getAllocationUsage: Unary<GetAllocationUsageRequest, AllocationUsage> =
  unary("GET", "/v1/{name=allocations/*/usage}");

/**
 * Tells what all allocations of a machine were, those too that were removed, and how available they were.
 * Its publisher and admins may ask.
 * Fails with MACHINE_NOT_FOUND, MACHINE_USAGE_NOT_YOURS.
 */
export const getMachineUsage: Unary<GetMachineUsageRequest, MachineUsage> =
  unary("GET", "/v1/{name=machines/*/usage}");

/**
 * Streams what each allocation was and for how long, as CSV or JSON. Times of the report end at the
 * moment when it was asked for.
 * Fails with ALLOCATION_NOT_FOUND, PARENT_FOREIGN.
 */
export const downloadUsageReport: Download<DownloadUsageReportRequest> =
  download("GET", "/v1/allocations:downloadUsageReport");

/**
 * Reads one node.
 * Fails with NODE_NOT_FOUND.
 */
export const getNode: Unary<GetNodeRequest, Node> = unary("GET", "/v1/{name=nodes/*}");

/**
 * Lists the nodes, by name. While the engine that knows them does not answer, as they were last seen,
 * with the state UNKNOWN.
 * Fails with PAGE_TOKEN_INVALID.
 */
export const listNodes: Unary<ListNodesRequest, ListNodesResponse> = unary("GET", "/v1/nodes");

/**
 * Has a node take no more instances. Those that it has move to other nodes, where there are any and
 * their files are not there; each ends first, and is away for a moment. On the only node they go on, and
 * nothing new is admitted. The owners are told. Draining a drained node changes its reason.
 * Fails with NODE_NOT_FOUND, ENGINE_UNAVAILABLE.
 */
export const drainNode: Unary<DrainNodeRequest, Node> =
  unary("POST", "/v1/{name=nodes/*}:drain", "*");

/**
 * Has a node take instances again, and forgets how often it was lost. What has moved away stays where
 * it is.
 * Fails with NODE_NOT_FOUND, ENGINE_UNAVAILABLE.
 */
export const activateNode: Unary<ActivateNodeRequest, Node> =
  unary("POST", "/v1/{name=nodes/*}:activate", "*");

/**
 * Reads what a person may have and has: one's own, or as an admin anybody's.
 * Fails with PARENT_FOREIGN.
 */
export const getQuota: Unary<GetQuotaRequest, Quota> = unary("GET", "/v1/{name=users/*/quota}");

/**
 * Sets what one person may have, instead of what their role may. What they have already stays, also
 * where it is more.
 * Fails with ETAG_STALE, FIELD_NOT_UPDATABLE.
 */
export const updateQuota: Unary<UpdateQuotaRequest, Quota> =
  unary("PATCH", "/v1/{quota.name=users/*/quota}", "quota");

/**
 * Reads one resource class.
 * Fails with RESOURCE_CLASS_NOT_FOUND.
 */
export const getResourceClass: Unary<GetResourceClassRequest, ResourceClass> =
  unary("GET", "/v1/{name=resourceClasses/*}");

/**
 * Lists the resource classes, the smallest first: by memory, then processor, then name.
 * Fails with PAGE_TOKEN_INVALID.
 */
export const listResourceClasses: Unary<ListResourceClassesRequest, ListResourceClassesResponse> =
  unary("GET", "/v1/resourceClasses");

/**
 * Defines a resource class.
 * Fails with RESOURCE_CLASS_EXISTS, REQUEST_ID_REUSED.
 */
export const createResourceClass: Unary<CreateResourceClassRequest, ResourceClass> =
  unary("POST", "/v1/resourceClasses", "resourceClass");

/**
 * Changes the title, the amounts, and whether it is the default one. Only what is rented from now on is
 * of the new amounts.
 * Fails with RESOURCE_CLASS_NOT_FOUND, RESOURCE_CLASS_IS_DEFAULT, ETAG_STALE, FIELD_NOT_UPDATABLE.
 */
export const updateResourceClass: Unary<UpdateResourceClassRequest, ResourceClass> =
  unary("PATCH", "/v1/{resource_class.name=resourceClasses/*}", "resourceClass");

/**
 * Removes a resource class. What was rented runs on; machines that name it cannot be rented any more.
 * Fails with RESOURCE_CLASS_NOT_FOUND, RESOURCE_CLASS_IS_DEFAULT, ETAG_STALE.
 */
export const deleteResourceClass: Unary<DeleteResourceClassRequest, Record<string, never>> =
  unary("DELETE", "/v1/{name=resourceClasses/*}");

/**
 * Lists the caller's volumes, newest first; with `parent=users/-`, an admin lists everybody's.
 * Fails with FILTER_INVALID, PAGE_TOKEN_INVALID, PARENT_FOREIGN.
 */
export const listVolumes: Unary<ListVolumesRequest, ListVolumesResponse> =
  unary("GET", "/v1/volumes");

/**
 * Reads one volume.
 * Fails with VOLUME_NOT_FOUND.
 */
export const getVolume: Unary<GetVolumeRequest, AllocationsVolume> =
  unary("GET", "/v1/{name=volumes/*}");

/**
 * Changes the display name; an admin also how much it may hold. An allocation that was stopped
 * because the volume was full can be started again where it then is not.
 * Fails with VOLUME_NOT_FOUND, ETAG_STALE, FIELD_NOT_UPDATABLE, VOLUME_LIMIT_ADMINS_ONLY.
 */
export const updateVolume: Unary<UpdateVolumeRequest, AllocationsVolume> =
  unary("PATCH", "/v1/{volume.name=volumes/*}", "volume");

/**
 * Removes a detached volume with all that is in it, for ever. Answers at once, with the volume in
 * DELETING; it is gone a moment later, as soon as the engine answers.
 * Fails with VOLUME_NOT_FOUND, VOLUME_IN_USE, VOLUME_NOT_READY, ETAG_STALE.
 */
export const deleteVolume: Unary<DeleteVolumeRequest, AllocationsVolume> =
  unary("DELETE", "/v1/{name=volumes/*}");

/**
 * Streams what is in a volume as a tar archive, plain or gzip, as it is while it is read: each file
 * as it is when its turn comes. Stop the allocation first where files must fit each other. How much
 * there is, is said before (`x-volume-bytes`, in HTTP headers and in gRPC metadata: as it was last
 * measured); the archive itself is a little longer. Devices, pipes, sockets and links that lead out
 * of the volume are left out; the last file, `.allocator-left-out.txt`, then names them. A fault in
 * the middle cuts the connection.
 * Fails with VOLUME_NOT_FOUND, VOLUME_NOT_READY, TRANSFERS_EXHAUSTED, TRANSFER_STALLED,
 * ENGINE_UNAVAILABLE.
 */
export const downloadVolume: Download<DownloadVolumeRequest> =
  download("GET", "/v1/{name=volumes/*}:download");

/**
 * Makes a detached volume of the caller's from a tar archive, plain or gzip, which may be of any
 * length: over HTTP it is the body, by gRPC it comes in as many messages as it takes. Devices, names
 * and links that lead out of the archive, and sparse files refuse it as a whole; then, and where
 * it breaks off, nothing remains. The volume keeps the numbers of users and groups in the archive
 * where the runtime can.
 * Fails with VOLUMES_EXCEEDED, VOLUME_TOO_LARGE, ARCHIVE_INVALID, ARCHIVE_UNSAFE,
 * TRANSFERS_EXHAUSTED, TRANSFER_STALLED, ENGINE_UNAVAILABLE.
 */
export const uploadVolume: Upload<UploadVolumeRequest, AllocationsVolume> =
  upload("POST", "/v1/volumes:upload", "archive");

/**
 * Streams the log, the state and the statistics of an allocation: from a cursor, then live. Over
 * HTTP as server-sent events, or as NDJSON with `Accept: application/x-ndjson`. Ends with `bye`.
 * Fails with ALLOCATION_NOT_FOUND, TOO_MANY_CONSOLES.
 */
export const followConsole: ServerStream<FollowConsoleRequest, ServerFrame> =
  stream("GET", "/v1/{name=allocations/*}/console:follow");

/**
 * Reads a page of the log.
 * Fails with ALLOCATION_NOT_FOUND.
 */
export const listLines: Unary<ListLinesRequest, ListLinesResponse> =
  unary("GET", "/v1/{name=allocations/*}/lines");

/**
 * Says something of a machine, or answers a comment.
 * Fails with MACHINE_NOT_FOUND, COMMENT_NOT_FOUND (of the one that is answered), REPLY_TOO_DEEP,
 * COMMENT_DELETED, REPLIES_FULL, ALLOCATION_NOT_FOUND (of the line), LINE_OF_OTHER_MACHINE,
 * REQUEST_ID_REUSED, TOO_MANY_REQUESTS.
 */
export const createComment: Unary<CreateCommentRequest, Comment> =
  unary("POST", "/v1/{parent=machines/*}/comments", "comment");

/**
 * Reads one comment, or one reply.
 * Fails with COMMENT_NOT_FOUND.
 */
export const getComment: Unary<GetCommentRequest, Comment> =
  unary("GET", "/v1/{name=machines/*/comments/*}");

/**
 * Lists what is said of a machine, newest first, without the replies.
 * Fails with PAGE_TOKEN_INVALID.
 */
export const listComments: Unary<ListCommentsRequest, ListCommentsResponse> =
  unary("GET", "/v1/{parent=machines/*}/comments");

/**
 * Lists the replies to a comment, oldest first, as they are read.
 * Fails with PAGE_TOKEN_INVALID.
 */
export const listReplies: Unary<ListRepliesRequest, ListRepliesResponse> =
  unary("GET", "/v1/{parent=machines/*/comments/*}/replies");

/**
 * Changes the text of the caller's own comment.
 * Fails with COMMENT_NOT_FOUND, COMMENT_NOT_YOURS, ETAG_STALE, FIELD_NOT_UPDATABLE, TOO_MANY_REQUESTS.
 */
export const updateComment: Unary<UpdateCommentRequest, Comment> =
  unary("PATCH", "/v1/{comment.name=machines/*/comments/*}", "comment");

/**
 * Deletes a comment: its author, or an admin. One that has replies stays, without text and author,
 * until they are gone too.
 * Fails with COMMENT_NOT_FOUND, COMMENT_NOT_YOURS, ETAG_STALE.
 */
export const deleteComment: Unary<DeleteCommentRequest, Record<string, never>> =
  unary("DELETE", "/v1/{name=machines/*/comments/*}");

/**
 * Writes the caller's review of a machine that they have rented, or puts it in place of the one that
 * they wrote before.
 * Fails with MACHINE_NOT_FOUND, NOT_RENTED, ETAG_STALE, TOO_MANY_REQUESTS.
 */
export const setReview: Unary<SetReviewRequest, Review> =
  unary("PUT", "/v1/{review.name=machines/*/reviews/*}", "review");

/**
 * Reads one review; `reviews/me` is the caller's own.
 * Fails with REVIEW_NOT_FOUND, TOKEN_MISSING (of `reviews/me` without a token).
 */
export const getReview: Unary<GetReviewRequest, Review> =
  unary("GET", "/v1/{name=machines/*/reviews/*}");

/**
 * Lists the reviews of a machine, newest first.
 * Fails with PAGE_TOKEN_INVALID.
 */
export const listReviews: Unary<ListReviewsRequest, ListReviewsResponse> =
  unary("GET", "/v1/{parent=machines/*}/reviews");

/**
 * Deletes a review: its author, or an admin; `reviews/me` is the caller's own.
 * Fails with REVIEW_NOT_FOUND, REVIEW_NOT_YOURS, ETAG_STALE.
 */
export const deleteReview: Unary<DeleteReviewRequest, Record<string, never>> =
  unary("DELETE", "/v1/{name=machines/*/reviews/*}");

/**
 * Votes on a machine; another vote takes the place of the one before, the same one changes nothing.
 * Fails with MACHINE_NOT_FOUND, TOO_MANY_REQUESTS.
 */
export const setVote: Unary<SetVoteRequest, Vote> =
  unary("PUT", "/v1/{vote.name=machines/*/votes/*}", "vote");

/**
 * Reads the caller's vote.
 * Fails with VOTE_NOT_FOUND.
 */
export const getVote: Unary<GetVoteRequest, Vote> = unary("GET", "/v1/{name=machines/*/votes/*}");

/**
 * Withdraws the caller's vote; where there is none, nothing changes.
 * Fails with TOO_MANY_REQUESTS.
 */
export const clearVote: Unary<ClearVoteRequest, Record<string, never>> =
  unary("DELETE", "/v1/{name=machines/*/votes/*}");

/**
 * Adds up the feed of a machine. One of which nobody has said anything has a summary of zeros, and so
 * has a name that no machine has.
 */
export const getSummary: Unary<GetSummaryRequest, FeedSummary> =
  unary("GET", "/v1/{name=machines/*/feedSummary}");

/** Adds up the feeds of up to 100 machines: of a page of the catalogue. */
export const batchGetSummaries: Unary<BatchGetSummariesRequest, BatchGetSummariesResponse> =
  unary("GET", "/v1/machines/-/feedSummaries");

/**
 * Adds a machine, as a DRAFT of whoever calls. Who is no admin gives an image and no command, and
 * has a bounded number of drafts.
 * Fails with MACHINE_EXISTS, VARIABLE_INVALID, VOLUME_INVALID, COMMAND_ADMINS_ONLY, DRAFTS_EXCEEDED.
 */
export const createMachine: Unary<CreateMachineRequest, Machine> =
  unary("POST", "/v1/machines", "machine");

/**
 * Reads one machine, as it is or as it was in one of its last 50 versions. Drafts, and versions from
 * when it was one, are visible to its publisher and to admins only.
 * Fails with MACHINE_NOT_FOUND, MACHINE_VERSION_NOT_FOUND.
 */
export const getMachine: Unary<GetMachineRequest, Machine> = unary("GET", "/v1/{name=machines/*}");

/**
 * Lists the catalogue: ACTIVE machines; for admins every one, and whoever filters by
 * `publisher = "users/me"` gets all of their own.
 * Fails with FILTER_INVALID, ORDER_INVALID, PAGE_TOKEN_INVALID.
 */
export const listMachines: Unary<ListMachinesRequest, ListMachinesResponse> =
  unary("GET", "/v1/machines");

/**
 * Lists the versions of a machine that are kept, the newest first, at most 50; as far as GetMachine
 * shows them.
 * Fails with MACHINE_NOT_FOUND, PAGE_TOKEN_INVALID.
 */
export const listMachineVersions: Unary<ListMachineVersionsRequest, ListMachineVersionsResponse> =
  unary("GET", "/v1/{parent=machines/*}/versions");

/**
 * Changes a machine: admins any, others a DRAFT of their own, which takes back what they submitted.
 * Allocations of it keep the version that they were made from.
 * Fails with MACHINE_NOT_FOUND, MACHINE_NOT_DRAFT, ETAG_STALE, FIELD_NOT_UPDATABLE,
 * VARIABLE_INVALID, COMMAND_ADMINS_ONLY.
 */
export const updateMachine: Unary<UpdateMachineRequest, Machine> =
  unary("PATCH", "/v1/{machine.name=machines/*}", "machine");

/**
 * Makes a machine again what it was in a former version, as its next version. Its state and its
 * pictures stay as they are. Who may update it may do this.
 * Fails with MACHINE_NOT_FOUND, MACHINE_VERSION_NOT_FOUND, MACHINE_NOT_DRAFT, ETAG_STALE,
 * VARIABLE_INVALID, COMMAND_ADMINS_ONLY.
 */
export const rollbackMachine: Unary<RollbackMachineRequest, Machine> =
  unary("POST", "/v1/{name=machines/*}:rollback", "*");

/**
 * Makes a DRAFT of the caller's from a machine that they see. It keeps where it comes from. Who is
 * no admin may keep a command that comes with an image, and not change it.
 * Fails with MACHINE_NOT_FOUND, MACHINE_VERSION_NOT_FOUND, MACHINE_EXISTS, COMMAND_ADMINS_ONLY,
 * DRAFTS_EXCEEDED.
 */
export const forkMachine: Unary<ForkMachineRequest, Machine> =
  unary("POST", "/v1/{name=machines/*}:fork", "*");

/**
 * Deletes a machine that is not in the catalogue: admins a DRAFT or a RETIRED one, others a DRAFT of
 * their own.
 * Fails with MACHINE_NOT_FOUND, MACHINE_ACTIVE, MACHINE_NOT_DRAFT, ETAG_STALE.
 */
export const deleteMachine: Unary<DeleteMachineRequest, Record<string, never>> =
  unary("DELETE", "/v1/{name=machines/*}");

/**
 * Asks the admins to publish a DRAFT. Asking again while they have not answered changes nothing.
 * Fails with MACHINE_NOT_FOUND, MACHINE_NOT_DRAFT, ETAG_STALE.
 */
export const submitMachine: Unary<SubmitMachineRequest, Machine> =
  unary("POST", "/v1/{name=machines/*}:submit", "*");

/**
 * Refuses to publish a draft that was submitted, and says why; it stays a DRAFT.
 * Fails with MACHINE_NOT_FOUND, MACHINE_NOT_SUBMITTED, ETAG_STALE.
 */
export const rejectMachine: Unary<RejectMachineRequest, Machine> =
  unary("POST", "/v1/{name=machines/*}:reject", "*");

/**
 * Puts a machine into the catalogue. Publishing an ACTIVE one changes nothing.
 * Fails with MACHINE_NOT_FOUND, ETAG_STALE.
 */
export const publishMachine: Unary<PublishMachineRequest, Machine> =
  unary("POST", "/v1/{name=machines/*}:publish", "*");

/**
 * Takes a machine out of the catalogue; allocations of it go on.
 * Fails with MACHINE_NOT_FOUND, MACHINE_NOT_ACTIVE, ETAG_STALE.
 */
export const retireMachine: Unary<RetireMachineRequest, Machine> =
  unary("POST", "/v1/{name=machines/*}:retire", "*");

/**
 * Gives a machine an icon or a banner, in place of the one that it has: the body is the picture
 * itself. PNG, JPEG and WebP are taken, by their content. An icon is square, of 16 to 1024 pixels
 * and at most 256 KiB; a banner is 200 to 4096 pixels wide, not higher than wide, at most 900 KiB.
 * Who may update the machine may do this.
 * Fails with MACHINE_NOT_FOUND, MACHINE_NOT_DRAFT, PICTURE_INVALID, PICTURES_EXHAUSTED, ETAG_STALE.
 */
export const setMachinePicture: Unary<SetMachinePictureRequest, Machine> =
  unary("PUT", "/v1/{name=machines/*/icon}", "picture");

/**
 * Reads the icon or the banner of a machine, for browsers. Pictures of drafts are for their
 * publisher and admins, and for whoever knows the digest.
 * Fails with MACHINE_NOT_FOUND, PICTURE_NOT_FOUND.
 */
export const getMachinePicture: Unary<GetMachinePictureRequest, Blob> =
  unary("GET", "/v1/{name=machines/*/icon}");

/**
 * Takes the icon or the banner of a machine away. Who may update the machine may do this.
 * Fails with MACHINE_NOT_FOUND, MACHINE_NOT_DRAFT, PICTURE_NOT_FOUND, ETAG_STALE.
 */
export const deleteMachinePicture: Unary<DeleteMachinePictureRequest, Machine> =
  unary("DELETE", "/v1/{name=machines/*/icon}");

/**
 * Writes a machine as a YAML document that ImportMachine reads, here or elsewhere: what its
 * publisher says of it, without pictures and without what the server says.
 * Fails with MACHINE_NOT_FOUND, MACHINE_VERSION_NOT_FOUND.
 */
export const exportMachine: Unary<ExportMachineRequest, Blob> =
  unary("GET", "/v1/{name=machines/*}:export");

/**
 * Adds a machine as a DRAFT from a YAML document, or changes one: the body is the document itself,
 * one machine by the schema that the reference has. Who may create or update it may do this.
 * Fails with DEFINITION_INVALID, MACHINE_EXISTS, MACHINE_NOT_DRAFT, VARIABLE_INVALID,
 * COMMAND_ADMINS_ONLY, DRAFTS_EXCEEDED.
 */
export const importMachine: Unary<ImportMachineRequest, Machine> =
  unary("POST", "/v1/machines:import", "definition");

/**
 * Reads one notification.
 * Fails with NOTIFICATION_NOT_FOUND.
 */
export const getNotification: Unary<GetNotificationRequest, Notification> =
  unary("GET", "/v1/{name=notifications/*}");

/**
 * Lists the caller's notifications, newest first.
 * Fails with FILTER_INVALID, PAGE_TOKEN_INVALID.
 */
export const listNotifications: Unary<ListNotificationsRequest, ListNotificationsResponse> =
  unary("GET", "/v1/notifications");

/** Tells how many notifications the caller has not read. */
export const getUnreadCount: Unary<GetUnreadCountRequest, GetUnreadCountResponse> =
  unary("GET", "/v1/notifications:unreadCount");

/**
 * Marks notifications as read: one, several or all. What is read already, or is not there, changes
 * nothing.
 */
export const markRead: Unary<MarkReadRequest, MarkReadResponse> =
  unary("POST", "/v1/notifications:markRead", "*");

/**
 * Removes a notification from the inbox.
 * Fails with NOTIFICATION_NOT_FOUND.
 */
export const deleteNotification: Unary<DeleteNotificationRequest, Record<string, never>> =
  unary("DELETE", "/v1/{name=notifications/*}");

/**
 * Streams the caller's notifications as they come, and how many are unread whenever that changes.
 * Over HTTP as server-sent events, or as NDJSON with `Accept: application/x-ndjson`.
 * Fails with TOO_MANY_REQUESTS, SERVICE_STOPPING (open it again, with the last cursor).
 */
export const watchNotifications: ServerStream<WatchNotificationsRequest, WatchNotificationsResponse> =
  stream("GET", "/v1/notifications:watch");

/**
 * Reads what a person wants to be told, for every kind.
 * Fails with USER_NOT_FOUND.
 */
export const getNotificationPreferences: Unary<GetNotificationPreferencesRequest, NotificationPreferences> =
  unary("GET", "/v1/{name=users/*/notificationPreferences}");

/**
 * Changes what a person wants to be told. Kinds that are left out stay as they are.
 * Fails with USER_NOT_FOUND, NOTIFICATION_KIND_UNKNOWN, ETAG_STALE, FIELD_NOT_UPDATABLE.
 */
export const updateNotificationPreferences: Unary<UpdateNotificationPreferencesRequest, NotificationPreferences> =
  unary("PATCH", "/v1/{notification_preferences.name=users/*/notificationPreferences}", "notificationPreferences");

/**
 * Registers a webhook of the caller. The answer has the secret, which no other answer shows again.
 * Fails with WEBHOOK_URL_REFUSED, NOTIFICATION_KIND_UNKNOWN, TOO_MANY_WEBHOOKS, REQUEST_ID_REUSED.
 */
export const createWebhook: Unary<CreateWebhookRequest, Webhook> =
  unary("POST", "/v1/webhooks", "webhook");

/**
 * Reads a webhook.
 * Fails with WEBHOOK_NOT_FOUND.
 */
export const getWebhook: Unary<GetWebhookRequest, Webhook> = unary("GET", "/v1/{name=webhooks/*}");

/**
 * Lists the caller's webhooks, newest first.
 * Fails with PAGE_TOKEN_INVALID.
 */
export const listWebhooks: Unary<ListWebhooksRequest, ListWebhooksResponse> =
  unary("GET", "/v1/webhooks");

/**
 * Changes the title, the URL and the kinds of a webhook. What waits goes to the new URL.
 * Fails with WEBHOOK_NOT_FOUND, WEBHOOK_URL_REFUSED, NOTIFICATION_KIND_UNKNOWN, ETAG_STALE,
 * FIELD_NOT_UPDATABLE.
 */
export const updateWebhook: Unary<UpdateWebhookRequest, Webhook> =
  unary("PATCH", "/v1/{webhook.name=webhooks/*}", "webhook");

/**
 * Removes a webhook and its deliveries.
 * Fails with WEBHOOK_NOT_FOUND, ETAG_STALE.
 */
export const deleteWebhook: Unary<DeleteWebhookRequest, Record<string, never>> =
  unary("DELETE", "/v1/{name=webhooks/*}");

/**
 * Switches a webhook on: also one that was suspended. One that is on stays so.
 * Fails with WEBHOOK_NOT_FOUND.
 */
export const enableWebhook: Unary<EnableWebhookRequest, Webhook> =
  unary("POST", "/v1/{name=webhooks/*}:enable", "*");

/**
 * Switches a webhook off. What waits for it is given up. One that is off stays so.
 * Fails with WEBHOOK_NOT_FOUND.
 */
export const disableWebhook: Unary<DisableWebhookRequest, Webhook> =
  unary("POST", "/v1/{name=webhooks/*}:disable", "*");

/**
 * Makes a new secret, which the answer has and no other answer shows again. For a day what is sent
 * is signed with the former one too, so that nothing is lost while the receiver changes.
 * Fails with WEBHOOK_NOT_FOUND.
 */
export const rotateWebhookSecret: Unary<RotateWebhookSecretRequest, Webhook> =
  unary("POST", "/v1/{name=webhooks/*}:rotateSecret", "*");

/**
 * Sends a notice of kind `WEBHOOK_TEST`, whatever kinds the webhook wants. It is tried at once, and
 * for two minutes at most; GetWebhookDelivery says what became of it.
 * Fails with WEBHOOK_NOT_FOUND, WEBHOOK_OFF, TOO_MANY_REQUESTS.
 */
export const testWebhook: Unary<TestWebhookRequest, WebhookDelivery> =
  unary("POST", "/v1/{name=webhooks/*}:test", "*");

/**
 * Reads one delivery.
 * Fails with WEBHOOK_NOT_FOUND, DELIVERY_NOT_FOUND.
 */
export const getWebhookDelivery: Unary<GetWebhookDeliveryRequest, WebhookDelivery> =
  unary("GET", "/v1/{name=webhooks/*/deliveries/*}");

/**
 * Lists the deliveries of a webhook, newest first.
 * Fails with WEBHOOK_NOT_FOUND, FILTER_INVALID, PAGE_TOKEN_INVALID.
 */
export const listWebhookDeliveries: Unary<ListWebhookDeliveriesRequest, ListWebhookDeliveriesResponse> =
  unary("GET", "/v1/{parent=webhooks/*}/deliveries");

/**
 * Sends a delivery that has ended once more, with the same `webhook-id` and body, for up to a day.
 * Fails with WEBHOOK_NOT_FOUND, WEBHOOK_OFF, DELIVERY_NOT_FOUND, DELIVERY_NOT_ENDED,
 * DELIVERY_QUEUE_FULL, TOO_MANY_REQUESTS.
 */
export const replayWebhookDelivery: Unary<ReplayWebhookDeliveryRequest, WebhookDelivery> =
  unary("POST", "/v1/{name=webhooks/*/deliveries/*}:replay", "*");

/**
 * Lists what admins did: to roles, people, machines, credit, dead letters, and to what others own.
 * What was done only just now may be missing for a moment. It is kept for a time that is a setting.
 * Fails with FILTER_INVALID, ORDER_INVALID, PAGE_TOKEN_INVALID.
 */
export const listAuditEvents: Unary<ListAuditEventsRequest, ListAuditEventsResponse> =
  unary("GET", "/v1/auditEvents");

/**
 * Streams what admins did, the oldest first, to its end. Over HTTP as NDJSON with
 * `Accept: application/x-ndjson`, or as server-sent events.
 * Fails with FILTER_INVALID.
 */
export const exportAuditEvents: ServerStream<ExportAuditEventsRequest, ExportAuditEventsResponse> =
  stream("GET", "/v1/auditEvents:export");

/**
 * Lists dead letters, the oldest first.
 * Fails with FILTER_INVALID, PAGE_TOKEN_INVALID.
 */
export const listDeadLetters: Unary<ListDeadLettersRequest, ListDeadLettersResponse> =
  unary("GET", "/v1/deadLetters");

/**
 * Reads one dead letter.
 * Fails with DEAD_LETTER_NOT_FOUND.
 */
export const getDeadLetter: Unary<GetDeadLetterRequest, DeadLetter> =
  unary("GET", "/v1/{name=deadLetters/*}");

/**
 * Has a dead letter taken in again, by the consumers that could not, as soon as they can. If that
 * fails again, it is a dead letter again, under the same name. Asking twice does no harm.
 * Fails with DEAD_LETTER_NOT_FOUND.
 */
export const replayDeadLetter: Unary<ReplayDeadLetterRequest, DeadLetter> =
  unary("POST", "/v1/{name=deadLetters/*}:replay", "*");

/** Has all dead letters that are there now taken in again, or those of one group. */
export const replayAllDeadLetters: Unary<ReplayAllDeadLettersRequest, ReplayAllDeadLettersResponse> =
  unary("POST", "/v1/deadLetters:replayAll", "*");

/**
 * Throws a dead letter away: what it tells of is never taken in by those consumers.
 * Fails with DEAD_LETTER_NOT_FOUND.
 */
export const deleteDeadLetter: Unary<DeleteDeadLetterRequest, Record<string, never>> =
  unary("DELETE", "/v1/{name=deadLetters/*}");

/**
 * Lists what happened to one of the caller's allocations, or to anybody's for admins; also to one that
 * is gone. What has only just happened may be missing for a moment. Kept are the newest events of each
 * allocation (1000 unless set otherwise), for a time that is a setting.
 * Fails with ALLOCATION_NOT_FOUND, ORDER_INVALID, PAGE_TOKEN_INVALID.
 */
export const listEvents: Unary<ListEventsRequest, ListEventsResponse> =
  unary("GET", "/v1/{parent=allocations/*}/timeline");

/**
 * Makes one; its `token` is in this answer alone.
 * It ends early when it is deleted, when the account is disabled or deleted, when the password is
 * reset, and, where it has the scope `admin`, when the person loses that role.
 * Fails with SCOPE_UNKNOWN, CALLER_NOT_ALLOWED (the scope `admin`, for others than admins),
 * ACCESS_TOKEN_END_INVALID, TOO_MANY_ACCESS_TOKENS, TOO_MANY_REQUESTS.
 */
export const createAccessToken: Unary<CreateAccessTokenRequest, AccessToken> =
  unary("POST", "/v1/accessTokens", "accessToken");

/**
 * Lists those that have not ended, newest first.
 * Fails with PAGE_TOKEN_INVALID.
 */
export const listAccessTokens: Unary<ListAccessTokensRequest, ListAccessTokensResponse> =
  unary("GET", "/v1/accessTokens");

/**
 * Deletes one: it is refused everywhere within seconds.
 * Fails with ACCESS_TOKEN_NOT_FOUND.
 */
export const deleteAccessToken: Unary<DeleteAccessTokenRequest, Record<string, never>> =
  unary("DELETE", "/v1/{name=accessTokens/*}");

/** Says who can sign up here. */
export const getSignUpPolicy: Unary<GetSignUpPolicyRequest, SignUpPolicy> =
  unary("GET", "/v1/signUpPolicy");

/**
 * Makes an invitation; its `code` is in this answer alone. Where it names an e-mail address, the code
 * is sent there. It can be made whoever can sign up at present: it counts where that is by invitation.
 * Fails with INVITATION_END_INVALID, TOO_MANY_INVITATIONS, TOO_MANY_REQUESTS.
 */
export const createInvitation: Unary<CreateInvitationRequest, Invitation> =
  unary("POST", "/v1/invitations", "invitation");

/**
 * Reads one invitation, without its code.
 * Fails with INVITATION_NOT_FOUND.
 */
export const getInvitation: Unary<GetInvitationRequest, Invitation> =
  unary("GET", "/v1/{name=invitations/*}");

/**
 * Lists the invitations of all admins, newest first. Those that were used up or have ended are there
 * for 30 days after their end.
 * Fails with PAGE_TOKEN_INVALID.
 */
export const listInvitations: Unary<ListInvitationsRequest, ListInvitationsResponse> =
  unary("GET", "/v1/invitations");

/**
 * Withdraws an invitation: nobody can sign up with it any more. Who has keeps the account.
 * Fails with INVITATION_NOT_FOUND.
 */
export const deleteInvitation: Unary<DeleteInvitationRequest, Record<string, never>> =
  unary("DELETE", "/v1/{name=invitations/*}");

/**
 * Logs in. With `cookie` set, the refresh token travels in an HttpOnly cookie instead of the answer.
 * Where the account has a second factor, the password alone is answered with TOTP_REQUIRED: send the
 * request again with `totp_code` or `recovery_code`.
 * Fails with CREDENTIALS_WRONG, TOTP_REQUIRED, TOTP_WRONG, USER_NOT_VERIFIED, USER_DISABLED,
 * TOO_MANY_REQUESTS, ORIGIN_FOREIGN.
 */
export const createSession: Unary<CreateSessionRequest, Session> =
  unary("POST", "/v1/sessions", "*");

/**
 * Exchanges a refresh token, from the request or from the cookie, for the next pair of tokens.
 * One that was used before ends the whole session: somebody else may hold it.
 * Fails with REFRESH_TOKEN_INVALID, USER_DISABLED, ORIGIN_FOREIGN.
 */
export const refreshSession: Unary<RefreshSessionRequest, Session> =
  unary("POST", "/v1/sessions:refresh", "*");

/**
 * Lists the caller's open sessions, newest first.
 * Fails with PAGE_TOKEN_INVALID.
 */
export const listSessions: Unary<ListSessionsRequest, ListSessionsResponse> =
  unary("GET", "/v1/sessions");

/**
 * Logs out: one session of the caller, or with `sessions/-` all of them. Tokens that were issued
 * for it are refused within seconds.
 * Fails with SESSION_NOT_FOUND.
 */
export const deleteSession: Unary<DeleteSessionRequest, Record<string, never>> =
  unary("DELETE", "/v1/{name=sessions/*}");

/**
 * Says whether the caller has a second factor.
 * Fails with USER_NOT_FOUND (somebody else's name).
 */
export const getTotp: Unary<GetTotpRequest, Totp> = unary("GET", "/v1/{name=users/*/totp}");

/**
 * Begins: makes a secret for an authenticator app, which counts once ConfirmTotp has shown a code
 * of it. One that waits to be confirmed is replaced.
 * Fails with PASSWORD_WRONG, TOTP_ENROLLED, TOO_MANY_REQUESTS, USER_NOT_FOUND.
 */
export const enrollTotp: Unary<EnrollTotpRequest, EnrollTotpResponse> =
  unary("POST", "/v1/{name=users/*}:enrollTotp", "*");

/**
 * Shows a code of the new secret; from then on every log-in needs one. Answers with recovery codes,
 * which are shown this once. Sessions that are open go on.
 * Fails with TOTP_WRONG, TOTP_NOT_ENROLLED, TOTP_ENROLLED, TOO_MANY_REQUESTS, USER_NOT_FOUND.
 */
export const confirmTotp: Unary<ConfirmTotpRequest, ConfirmTotpResponse> =
  unary("POST", "/v1/{name=users/*}:confirmTotp", "*");

/**
 * Removes the second factor and its recovery codes, for the password or a code. An admin removes
 * that of somebody else, who has lost both, without either.
 * Fails with PASSWORD_WRONG, TOTP_WRONG, TOTP_NOT_ENROLLED, TOO_MANY_REQUESTS, USER_NOT_FOUND.
 */
export const removeTotp: Unary<RemoveTotpRequest, Record<string, never>> =
  unary("POST", "/v1/{name=users/*}:removeTotp", "*");

/**
 * Signs a person up and sends a one-time code to the e-mail address, or to the phone number where
 * `verify_by` says so. The other one belongs to the account once it is verified too (ChangeContact).
 * Answers the same whether or not there is an account already, so that nobody learns who is here;
 * the owner of a taken address or number is told there.
 * Fails with SIGN_UP_CLOSED, INVITATION_REQUIRED and INVITATION_INVALID (where people sign up by
 * invitation), PASSWORD_TOO_WEAK, TOO_MANY_REQUESTS.
 */
export const createUser: Unary<CreateUserRequest, CreateUserResponse> =
  unary("POST", "/v1/users", "*");

/**
 * Reads one account: one's own, or as an admin anybody's.
 * Fails with USER_NOT_FOUND.
 */
export const getUser: Unary<GetUserRequest, User> = unary("GET", "/v1/{name=users/*}");

/**
 * Lists accounts, newest first unless another order is asked for.
 * Fails with FILTER_INVALID, ORDER_INVALID, PAGE_TOKEN_INVALID.
 */
export const listUsers: Unary<ListUsersRequest, ListUsersResponse> = unary("GET", "/v1/users");

/**
 * Changes the given name, the family name and the language.
 * Fails with USER_NOT_FOUND, ETAG_STALE, FIELD_NOT_UPDATABLE.
 */
export const updateUser: Unary<UpdateUserRequest, User> =
  unary("PATCH", "/v1/{user.name=users/*}", "user");

/**
 * Sends a new one-time code to the e-mail address or phone number with which somebody has signed up,
 * if it is not verified yet. Answers the same whether or not there is such an account.
 * Fails with CODE_SENT_RECENTLY (try again after the delay that it names), TOO_MANY_REQUESTS.
 */
export const sendVerificationCode: Unary<SendVerificationCodeRequest, Record<string, never>> =
  unary("POST", "/v1/users:sendVerificationCode", "*");

/**
 * Shows by the one-time code that the e-mail address or phone number is the person's.
 * Fails with CODE_WRONG (also when it has ended, was used, or was tried too often).
 */
export const verifyUser: Unary<VerifyUserRequest, Record<string, never>> =
  unary("POST", "/v1/users:verify", "*");

/**
 * Changes the password and ends every other session of the person.
 * Fails with PASSWORD_WRONG, PASSWORD_TOO_WEAK, USER_NOT_FOUND, TOO_MANY_REQUESTS.
 */
export const changePassword: Unary<ChangePasswordRequest, Record<string, never>> =
  unary("POST", "/v1/{name=users/*}:changePassword", "*");

/**
 * Sends a one-time code with which a forgotten password can be replaced, to a verified e-mail address
 * or phone number. Answers the same whether or not there is such an account.
 * Fails with CODE_SENT_RECENTLY (try again after the delay that it names), TOO_MANY_REQUESTS.
 */
export const requestPasswordReset: Unary<RequestPasswordResetRequest, Record<string, never>> =
  unary("POST", "/v1/users:requestPasswordReset", "*");

/**
 * Replaces a forgotten password, by the code that RequestPasswordReset has sent, and ends every
 * session of the person.
 * Fails with CODE_WRONG (also when it has ended, was used, or was tried too often),
 * PASSWORD_TOO_WEAK, TOO_MANY_REQUESTS.
 */
export const resetPassword: Unary<ResetPasswordRequest, Record<string, never>> =
  unary("POST", "/v1/users:resetPassword", "*");

/**
 * Begins to change the e-mail address or the phone number of the caller: sends a one-time code to the
 * new one. Nothing changes before ConfirmContact. Answers the same whether or not somebody else has
 * it; that one's owner is told there. One's own verified one is no error, and needs no code.
 * Fails with PASSWORD_WRONG, USER_NOT_FOUND, CODE_SENT_RECENTLY, TOO_MANY_REQUESTS.
 */
export const changeContact: Unary<ChangeContactRequest, ChangeContactResponse> =
  unary("POST", "/v1/{name=users/*}:changeContact", "*");

/**
 * Changes the e-mail address or the phone number of the caller to the one that ChangeContact was
 * asked for, by the code that was sent to it. The former one is told.
 * Fails with CODE_WRONG (also when it has ended, was used, or was tried too often), CONTACT_TAKEN,
 * USER_NOT_FOUND.
 */
export const confirmContact: Unary<ConfirmContactRequest, User> =
  unary("POST", "/v1/{name=users/*}:confirmContact", "*");

/**
 * Ends an account for good: one's own, or as an admin anybody's. Its sessions and consoles end within
 * seconds, its allocations are removed, its content elsewhere loses its name. Who has logged in within
 * the last ten minutes has shown that it is them; others give their password, in the body of a POST,
 * since a DELETE has none.
 * Fails with LOG_IN_NOT_FRESH, PASSWORD_WRONG, USER_NOT_FOUND, ETAG_STALE, LAST_ADMIN, TOO_MANY_REQUESTS.
 */
export const deleteUser: Unary<DeleteUserRequest, Record<string, never>> =
  unary("POST", "/v1/{name=users/*}:delete", "*");

/**
 * Gives a person a role. Granting one that they have changes nothing.
 * Fails with USER_NOT_FOUND.
 */
export const grantRole: Unary<GrantRoleRequest, User> =
  unary("POST", "/v1/{name=users/*}:grantRole", "*");

/**
 * Takes a role from a person, whose open sessions lose it within seconds.
 * Fails with USER_NOT_FOUND, LAST_ADMIN.
 */
export const revokeRole: Unary<RevokeRoleRequest, User> =
  unary("POST", "/v1/{name=users/*}:revokeRole", "*");

/**
 * Disables an account: it cannot log in, and its open sessions and consoles end within seconds. Of an
 * account that is disabled already, it changes the reason.
 * Fails with USER_NOT_FOUND, LAST_ADMIN.
 */
export const disableUser: Unary<DisableUserRequest, User> =
  unary("POST", "/v1/{name=users/*}:disable", "*");

/**
 * Lets a disabled account log in again.
 * Fails with USER_NOT_FOUND.
 */
export const enableUser: Unary<EnableUserRequest, User> =
  unary("POST", "/v1/{name=users/*}:enable", "*");
