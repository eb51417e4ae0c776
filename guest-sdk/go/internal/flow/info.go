package flow

import "time"

// Info is what the host tells of a run when it starts.
type Info struct {
	WorkflowID, RunID, FirstRunID, OriginalRunID string
	WorkflowType, TaskQueue, Namespace           string
	Attempt                                      int
	StartTime                                    time.Time
	ExecutionTimeout, RunTimeout, TaskTimeout    time.Duration
	CronSchedule, ContinuedRunID                 string
	Parent, Root                                 *Execution
	ParentNamespace                              string
	RetryPolicy                                  *RetryPolicy
	Priority                                     Priority
	Memo                                         map[string]Payload
	SearchAttributes                             map[string]Attribute
	LastResult                                   Payload
	LastFailure                                  error
}

// RetryPolicy is a retry policy.
type RetryPolicy struct {
	InitialInterval, MaximumInterval time.Duration
	BackoffCoefficient               float64
	MaximumAttempts                  int32
	NonRetryableErrorTypes           []string
}

// Priority is a priority.
type Priority struct {
	Key            int
	FairnessKey    string
	FairnessWeight float32
}

// Attribute is a search attribute.
type Attribute struct {
	Type  string
	Value Payload
}

func (r *reader) info(body []byte) *Info {
	i := &Info{}
	for more := r.open('{', '}'); more; more = r.more('}') {
		switch key := r.key(); string(key) {
		case "attempt":
			i.Attempt = int(r.int())
		case "start_time":
			i.StartTime, _ = time.Parse(time.RFC3339Nano, r.string())
		case "execution_timeout_ms":
			i.ExecutionTimeout = r.milliseconds()
		case "run_timeout_ms":
			i.RunTimeout = r.milliseconds()
		case "task_timeout_ms":
			i.TaskTimeout = r.milliseconds()
		case "parent":
			i.Parent, i.ParentNamespace = r.execution()
		case "root":
			i.Root, _ = r.execution()
		case "retry_policy":
			i.RetryPolicy = r.retryPolicy()
		case "priority":
			i.Priority = r.priority()
		case "memo":
			i.Memo = r.payloadMap(body)
		case "search_attributes":
			i.SearchAttributes = r.attributes(body)
		case "last_result":
			i.LastResult = r.payload(body)
		case "last_failure":
			i.LastFailure = r.failure(body)
		default:
			if field := i.text(key); field != nil {
				*field = r.string()
			} else {
				r.skip()
			}
		}
	}
	return i
}

func (i *Info) text(key []byte) *string {
	switch string(key) {
	case "workflow_id":
		return &i.WorkflowID
	case "run_id":
		return &i.RunID
	case "first_run_id":
		return &i.FirstRunID
	case "original_run_id":
		return &i.OriginalRunID
	case "workflow_type":
		return &i.WorkflowType
	case "task_queue":
		return &i.TaskQueue
	case "namespace":
		return &i.Namespace
	case "cron_schedule":
		return &i.CronSchedule
	case "continued_run_id":
		return &i.ContinuedRunID
	}
	return nil
}

func (r *reader) execution() (e *Execution, namespace string) {
	e = &Execution{}
	for more := r.open('{', '}'); more; more = r.more('}') {
		switch string(r.key()) {
		case "workflow_id":
			e.ID = r.string()
		case "run_id":
			e.RunID = r.string()
		case "namespace":
			namespace = r.string()
		default:
			r.skip()
		}
	}
	return e, namespace
}

func (r *reader) retryPolicy() *RetryPolicy {
	p := &RetryPolicy{}
	for more := r.open('{', '}'); more; more = r.more('}') {
		switch string(r.key()) {
		case "initial_interval_ms":
			p.InitialInterval = r.milliseconds()
		case "backoff_coefficient":
			p.BackoffCoefficient = r.float()
		case "maximum_interval_ms":
			p.MaximumInterval = r.milliseconds()
		case "maximum_attempts":
			p.MaximumAttempts = int32(r.int())
		case "non_retryable_error_types":
			for more := r.open('[', ']'); more; more = r.more(']') {
				p.NonRetryableErrorTypes = append(p.NonRetryableErrorTypes, r.string())
			}
		default:
			r.skip()
		}
	}
	return p
}

func (r *reader) priority() (p Priority) {
	for more := r.open('{', '}'); more; more = r.more('}') {
		switch string(r.key()) {
		case "priority_key":
			p.Key = int(r.int())
		case "fairness_key":
			p.FairnessKey = r.string()
		case "fairness_weight":
			p.FairnessWeight = float32(r.float())
		default:
			r.skip()
		}
	}
	return p
}

func (r *reader) payloadMap(body []byte) map[string]Payload {
	out := map[string]Payload{}
	for more := r.open('{', '}'); more; more = r.more('}') {
		name := string(r.key())
		out[name] = r.payload(body)
	}
	return out
}

func (r *reader) attributes(body []byte) map[string]Attribute {
	out := map[string]Attribute{}
	for more := r.open('{', '}'); more; more = r.more('}') {
		name := string(r.key())
		var a Attribute
		for more := r.open('{', '}'); more; more = r.more('}') {
			switch string(r.key()) {
			case "type":
				a.Type = r.string()
			case "value":
				a.Value = r.payload(body)
			default:
				r.skip()
			}
		}
		out[name] = a
	}
	return out
}

// Info returns what is known of the run.
func (r *Run) Info() *Info { return r.info }

// History returns how long the history is.
func (r *Run) History() History { return r.history }
