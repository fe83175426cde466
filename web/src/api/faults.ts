// Problem documents (RFC 9457), as the allocator answers them, and what they are in this program.

/** What is wrong with one field of a request. */
export interface FieldFault {
  /** The path of the field in the request's JSON, `allocation.variables[0].value`. */
  field: string;
  message: string;
}

interface Problem {
  status?: number;
  title?: string;
  detail?: string;
  reason?: string;
  metadata?: Record<string, string>;
  fields?: FieldFault[];
  retryAfter?: number;
}

/** A call that the allocator has refused, or that has not reached it. */
export class ApiError extends Error {
  /** The HTTP status; 0 where there was no answer. */
  readonly status: number;
  /** The reason, from the closed list; `UNREACHABLE` where there was no answer. */
  readonly reason: string;
  readonly fields: readonly FieldFault[];
  readonly metadata: Readonly<Record<string, string>>;
  /** After how many seconds to try again; unset where waiting does not help. */
  readonly retryAfter: number | undefined;

  constructor(problem: Problem) {
    super(problem.detail || problem.title || "The allocator has answered with an error.");
    this.name = "ApiError";
    this.status = problem.status ?? 0;
    this.reason = problem.reason ?? "UNREACHABLE";
    this.fields = problem.fields ?? [];
    this.metadata = problem.metadata ?? {};
    this.retryAfter = problem.retryAfter;
  }

  /** What is wrong with the field whose path ends in `name`, if anything is. */
  field(name: string): string | undefined {
    const end = (path: string) => path === name || path.endsWith(`.${name}`);
    return this.fields.find((fault) => end(fault.field))?.message;
  }
}

/** The refusal that an HTTP answer carries. */
export async function refusal(response: Response): Promise<ApiError> {
  const wait = Number(response.headers.get("retry-after"));
  return refusalIn(response.status, wait, await response.text().catch(() => ""));
}

/** The refusal that a status, a `Retry-After` in seconds and a body are. */
export function refusalIn(status: number, wait: number, body: string): ApiError {
  let problem: Problem = {};
  try {
    problem = JSON.parse(body) as Problem;
  } catch {
    // Not from the allocator itself: a proxy, perhaps.
  }
  return new ApiError({
    detail: `The allocator has answered with status ${status}.`,
    reason: "UNKNOWN",
    ...(wait > 0 ? { retryAfter: wait } : {}),
    ...problem,
    status,
  });
}

/** The refusal that a problem document inside a stream is. */
export const refusalInStream = (problem: unknown): ApiError => new ApiError(problem as Problem);

/** What stands in for an answer that never came. */
export const unreachable = (): ApiError =>
  new ApiError({ detail: "The allocator cannot be reached. Check that it runs, then try again." });

/** Any error as a sentence for people. */
export const sentence = (error: unknown): string =>
  error instanceof Error ? error.message : "Something went wrong.";
