package api

// about is the description of the whole interface.
const about = `Thresher runs simulation and analysis jobs as sandboxed WebAssembly plugins.

A submit answers 202 with the job, or 200 if it has ended: add ` + "`wait`" + ` to wait for that. Every error is a problem
as in RFC 9457, with a stable ` + "`code`" + ` that /docs/errors explains. A path is compared after its percent-encoding is
decoded. A path that has other methods than the one asked for answers 405, and ` + "`Allow`" + ` lists them; HEAD answers as
GET does, without the body.`

// descriptions explain the operations, by their id.
var descriptions = map[string]string{
	"submit-job": "Checks the request, writes the job to disk, and queues it. The answer is 202 while the job has not ended and 200 once it has, " +
		"as it has at once if an identical job's result is cached. With an `Idempotency-Key` a repeated submit returns the first one's job.",
	"list-jobs":  "Returns a page of the jobs that all filters select. Pass `next` as `cursor` to get the next page; the last page has no `next`.",
	"get-job":    "Returns the job as it is now. With `wait` the answer comes when the job ends, or is 202 if it has not ended by then.",
	"pause-job":  "Takes the job out of the queue, or pauses its guest and frees its slot. `desired` says that this was asked for; `phase` follows once the guest has stopped.",
	"resume-job": "Queues a paused job again. If its guest is still in memory it goes on where it was.",
	"stop-job":   "Ends the job for good. `desired` says that this was asked for; `phase` follows once its guest is gone.",
	"pin-job":    "Keeps the job, whatever its age and the number of jobs. A pinned job can still be deleted by name.",
	"unpin-job":  "Lets retention delete the job again.",
	"retry-job": "Submits the same request as a new job, whose `origin` is this one. It runs the same version on the same data, unless `newest` is set. " +
		"The answer is 202 while the new job has not ended and 200 once it has.",
	"delete-job":     "Deletes the job and what only it refers to: its result, tables, artifacts and logs.",
	"list-artifacts": "Lists the files that the job left, such as charts, with their media types and sizes.",
	"list-tables":    "Lists the tables that the job wrote, with their sizes. A running job's tables are listed while they grow.",
	"get-result":     "Returns what the routine returned, whatever its size. `Range` asks for a part of the bytes.",
	"get-log":        "Returns what the guest wrote in the job's last attempt, also while it runs. `Range` asks for a part of the bytes.",
	"get-artifact": "Returns the file as the plugin wrote it, to be saved and not to be shown as a page. `Range` asks for a part of the bytes, " +
		"and `If-None-Match` for an answer without a body if the file is known.",
	"get-table": "Returns rows of a table, also while it grows. As CSV or Arrow the answer has all rows that were asked for. As JSON it has 1000 at most: " +
		"if there are more, `next` and the header `Link` say where to go on.",
	"job-events": "Sends what the job is now and then each change, progress and log line as it comes. A client that comes back with `Last-Event-ID` gets what it missed, " +
		"or a `reset` event if that is no longer kept.",

	"submit-batch": "Submits a list of jobs, or a template with a grid of values: every job is accepted, or none. With an `Idempotency-Key` a repeated submit returns the first one's batch.",
	"list-batches": "Returns a page of the batches. Pass `next` as `cursor` to get the next page; the last page has no `next`.",
	"get-batch":    "Returns the batch, and how many of its jobs are in each phase.",
	"stop-batch":   "Stops every job of the batch that has not ended, and those that are still being written. Single jobs cannot be retried until the batch is retried as a whole or resumed. If all jobs have ended, nothing changes: the bulk action is `late` and skips all of them.",
	"pause-batch":  "Pauses every job of the batch that has not ended. Until the batch is resumed, no job of it starts, and jobs that join it are paused too. If all jobs have ended, nothing changes: the bulk action is `late` and skips all of them.",
	"resume-batch": "Resumes every paused job of the batch. If the batch was stopped, its jobs can be retried again; those that were stopped stay stopped.",
	"retry-whole-batch": "Retries the jobs of the batch that failed or were stopped, and those that failed with them. A new job needs the retries of the jobs that the old one needed. " +
		"Jobs that completed are not run again, and a job that was retried is not retried twice.",
	"retry-batch": "Starts a bulk action that retries the jobs of the batch that failed, and returns it at once: GET /bulk/{id} says how far it is.",

	"start-bulk": "Starts the action on every job that the filter selects, and returns at once: GET /bulk/{id} says how far it is. With `preview` it only counts the jobs. " +
		"A filter without a condition is refused unless `all` is set.",
	"stop-bulk":  "Ends the bulk action once the jobs that it is about to change are decided. What it has done stays done.",
	"list-bulks": "Returns a page of the bulk actions of the last day and of those that have not ended. Pass `next` as `cursor` to get the next page; the last page has no `next`.",
	"get-bulk":   "Returns how many jobs the bulk action has changed, how many it has skipped or failed to change, and why.",

	"list-routines": "Lists the active version of every plugin with its routines and the JSON Schema of their params, without examples.",
	"get-routine":   "Returns one routine with the JSON Schema of its params, its inputs, and its examples.",

	"list-datasets":  "Lists every dataset with its tables and their columns.",
	"get-dataset":    "Returns the dataset with its tables, their columns, and how many values each column lacks.",
	"delete-dataset": "Deletes the dataset's name. Jobs that read it keep its tables, and can be retried.",
	"put-dataset": "Reads the body as it comes and stores it as a dataset, in place of an earlier one of that name. Jobs that were submitted before keep the earlier one. " +
		"With `importer` a plugin reads the file; the answer comes when it has.",
	"get-dataset-table": "Returns rows of a table. As CSV or Arrow the answer has all rows that were asked for. As JSON it has 1000 at most: " +
		"if there are more, `next` and the header `Link` say where to go on.",

	"list-plugins":      "Lists every plugin with its versions, without examples, and the files of the server's folder of plugins that are left out.",
	"get-plugin":        "Returns the plugin with all of its versions, how its active version changed, and how many jobs are kept of each version.",
	"list-versions":     "Lists the versions of the plugin that were not deleted.",
	"get-version":       "Returns the version with the report of its verification and its manifest.",
	"activate-version":  "Makes the version the one that the plugin's name stands for. Jobs that were submitted before keep theirs.",
	"rollback-plugin":   "Activates the version that was active before, of those that can still be run.",
	"disable-version":   "Rejects new jobs of the version. Jobs that were accepted run to their end.",
	"enable-version":    "Accepts jobs of a disabled version again.",
	"deprecate-version": "Attaches a note to the version, which the page and the command line show. An empty note removes it.",
	"delete-version":    "Deletes the version, unless it is active and others are left. Its number stays taken, and jobs that have it keep its module.",
	"push-plugin": "Stores the module and verifies it: the sandbox loads it and runs its examples. An accepted module becomes a new version of the plugin that it names, " +
		"and the active one if it is newer. The answer is 202 while it is being verified and 200 once that has ended, accepted or rejected.",
	"list-modules":  "Lists what was uploaded, also what waits for its verification and what was rejected, with the reports.",
	"get-module":    "Returns the upload with the report of its verification. With `wait` the answer comes once that has ended.",
	"module-events": "Sends what the upload is now and then each step of its verification.",
	"list-keys":     "Lists the keys that were trusted, and when those that were revoked were.",
	"trust-key":     "Accepts plugins that are signed with the key from now on.",
	"revoke-key":    "Rejects plugins that are signed with the key from now on. Versions that it signed stay as they are.",

	"events": "Sends each change of a job or plugin, and the progress of running jobs, as it comes. A client that comes back with `Last-Event-ID` gets what it missed, " +
		"or a `reset` event if that is no longer kept.",

	"get-limits":    "Returns the limits that hold now.",
	"change-limits": "Changes the limits that the body names and returns all of them. They hold at once and survive a restart. A map replaces the whole map.",
	"list-locks":    "Lists the named locks that jobs hold or wait for, with the first hundred of those that wait and how many there are.",
	"cleanup":       "Deletes at once the jobs that are older or more than retention keeps, instead of with its next round.",
	"get-clock":     "Returns the jumps of the machine's clock that the server noticed. While one holds, ages leave it out, so that no job is deleted because the clock was set.",
	"accept-clock":  "Lets ages include the jumps again, because the clock is right now.",
	"get-stats":     "Counts jobs by phase, slots, memory, subscribers, and what is wrong with stored files.",
	"audit":         "Checks that the records, the slots in use and the guests in memory agree, and lists every breach.",
	"backup": "Streams an archive of every record and file as they are at this moment. `thresher restore` reads it. Where a stored file is damaged, " +
		"the archive ends with a list of what is damaged and is no backup, unless `skip_damaged` is set.",
	"verify": "Reads every record and stored file and compares it with its checksum or digest, and says how far it is. The last line lists what is damaged. " +
		"Hanging up ends the check.",

	"get-health":       "Answers as long as the process lives, also while it starts.",
	"get-readiness":    "Answers 200 if the next submit would be accepted and 503 if not, with the reason: the server starts, reads its folder, shuts down, or cannot write to its disk.",
	"get-metrics":      "Returns counters, gauges and histograms of jobs, requests, memory, disk and locks in Prometheus' text format.",
	"list-simulations": "Returns the newest 1000 simulation jobs in AgentFarm's shape, where failed is error. If there are more, the header `Link` has the address of the next 1000.",
}
