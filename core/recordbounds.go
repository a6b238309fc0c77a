package core

import (
	"fmt"

	"thresher/core/job"
	"thresher/core/jsonsize"
	"thresher/core/ledger"
	"thresher/core/table"
)

// A record that is too large can never be written, and whoever writes it would try for
// ever. So the record of each kind has a bound, in bytes of JSON, and so has each of its
// parts, where it comes in. Below, the bounds of the parts are added up: the sum is within
// that of the kind, or this file does not compile. TestTheLargestRecordFits builds the
// records.

// MaxRecord bounds records of every kind.
const MaxRecord = ledger.MaxRecord

// Bounds of the records of each kind.
const (
	maxJobRecord      = MaxRecord
	maxDatasetRecord  = MaxRecord
	maxSettingsRecord = MaxRecord
	maxBatchRecord    = 32 << 10
	maxBulkRecord     = 64 << 10
)

// What values take in JSON, quotes and a comma included.
const (
	quoted     = 2 + 1
	jsonID     = maxID + quoted
	jsonDigest = 64 + quoted
	jsonNumber = 24 + 1 // a float64; integers are shorter
	jsonTime   = len("2006-01-02T15:04:05.999999999+00:00") + quoted
	jsonLabels = MaxLabels * 2 * (jsonsize.PerByte*MaxLabelLength + quoted)
	jsonKey    = jsonsize.PerByte*MaxKey + quoted + jsonDigest + len(`"request":{"key":,"digest":}`)
)

// Parts of a job's record. Names of fields are counted with their values.
const (
	jsonInput = maxName + quoted + // its name
		maxDatasetName + 1 + job.MaxOutputName + quoted + // its source
		jsonID + job.MaxOutputName + quoted + jsonDigest + len(`{"source":"job":"table":"digest":}`)
	jsonLock  = maxLockName + quoted + jsonNumber + len(`{"name":"limit":}`)
	jsonTable = job.MaxOutputName + quoted + jsonNumber + jsonDigest + jsonNumber + len(`{"name":"rows":"digest":"bytes":},`)
	jsonError = job.MaxCode + job.MaxTitle + job.MaxDetail + 3*quoted + job.MaxFrames*(job.MaxFrame+quoted) +
		len(`"error":{"code":"title":"detail":"stack":[]}`)

	// What else there is in a job: ids, names, times, limits, usage, the log, and the names
	// of the fields.
	jsonJobRest = 4 << 10
	// Attempts that were lost leave their progress, usage and log.
	jsonAttempts = job.MaxAttemptsBytes

	jobParts = job.MaxParams + job.MaxTables*jsonInput + jsonLabels + MaxLocks*jsonLock + MaxAfter*jsonID + jsonKey +
		job.MaxResult + job.MaxTables*jsonTable + job.MaxArtifactList + job.MaxProgress + jsonError + jsonJobRest + jsonAttempts
)

// Parts of a dataset's record: of one table with as many columns as it may have, or of
// several with as much.
const (
	jsonColumn = len(`{"name":,"type":"timestamp","nulls":},`) + jsonNumber
	// MaxTableList is what all tables of a dataset take in its record.
	MaxTableList = table.MaxNames + table.MaxColumns*jsonColumn + jsonTable + 1<<10

	datasetParts = MaxTableList + maxDatasetName + jsonTime + 1<<10
)

// Parts of the settings: five maps of tenants and plugins, one of nodes, one of locks, the
// weights, and retention with its rules.
const (
	jsonEntry     = maxName + quoted + 1 + jsonNumber
	jsonRetention = jsonEntry + 3*jsonNumber + len(`{"age_seconds":"count":"bytes":"rules":[]},`)
	jsonRule      = maxName + quoted + 3*jsonNumber + len(`{"plugin":"phase":"completed","age_seconds":"count":"bytes":},`)

	settingsParts = maxEntries*(6*jsonEntry+jsonEntry+maxLockName+jsonRetention) + maxRules*jsonRule + 4<<10
)

const (
	batchParts  = 2*jsonID + maxName + jsonTime + jsonLabels + jsonKey + 3*jsonNumber + 1<<10
	filterParts = jsonsize.PerByte*(maxPinned+maxRef+2*maxName+3*maxID+maxText) + 2*jsonLabels + 2*jsonTime + 1<<10
	bulkParts   = filterParts + (3+together)*jsonID + 4*jsonNumber + 2*jsonTime + 2*maxCodes*jsonEntry + 1<<10
	maxCodes    = 100 // by which jobs can be skipped, or fail: fewer are documented
)

// The parts fit: a negative constant is no uint.
const (
	_ = uint(maxJobRecord - jobParts)
	_ = uint(maxDatasetRecord - datasetParts)
	_ = uint(maxSettingsRecord - settingsParts)
	_ = uint(maxBatchRecord - batchParts)
	_ = uint(maxBulkRecord - bulkParts)
)

// checkTables refuses a dataset whose tables take too much of its record together. Of
// one table alone, the import has checked that.
func checkTables(tables []DatasetTable) error {
	total, columns := 0, 0
	for _, t := range tables {
		total += jsonTable
		for _, c := range t.Columns {
			total += jsonColumn + jsonsize.String(c.Name)
		}
		columns += len(t.Columns)
	}
	if total <= MaxTableList {
		return nil
	}
	return &table.ImportError{Err: table.ErrTooWide, Message: fmt.Sprintf(
		"%d tables with %d columns take %d bytes in the record of the dataset: the limit is %d; shorten the columns' names, or import the tables apart",
		len(tables), columns, total, MaxTableList)}
}
