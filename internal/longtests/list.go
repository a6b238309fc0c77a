package main

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"time"
)

// test is a test that `make test` leaves out, or runs with less, because it is long.
type test struct {
	dir, name string        // name "": all tests of the package
	takes     time.Duration // about, on two cores that have nothing else to do
	why       string        // it is long
	plain     bool          // without the race detector
	tags      string        // of the build
	args      []string      // of the test program
}

// tests are all of them. TestTheListIsComplete holds them against the tests that ask
// testing.Short.
var tests = []test{
	{dir: "cmd/thresher", name: "TestALargeUploadTakesLittleMemory", takes: 20 * time.Second, why: "eleven modules of 30 MiB"},
	{dir: "cmd/thresher", name: "TestAnswersAreLinearisableAcrossKill9", takes: 25 * time.Second, why: "10 000 requests, 8 kills"},
	{dir: "cmd/thresher", name: "TestEveryPlantedFaultIsFound", takes: 20 * time.Second, why: "thousands of requests for each of six faults"},
	{dir: "cmd/thresher", name: "TestFromNothingToAResult", takes: 10 * time.Second, why: "the compilers of every language"},
	{dir: "cmd/thresher", name: "TestNothingIsLostToKill9", takes: 5 * time.Minute, why: "100 kills"},
	{dir: "cmd/thresher", name: "TestNothingIsLostToPowerCuts", takes: 60 * time.Second, why: "50 power cuts"},
	{dir: "cmd/thresher", name: "TestPowerCutsFindWritesThatAreNotSynced", takes: 10 * time.Second, why: "10 power cuts"},
	{dir: "cmd/thresher", name: "TestScripts", takes: 40 * time.Second, why: "the compilers of every language"},
	{dir: "cmd/thresher", name: "TestShutdownEndsEverythingAndLosesNothing", takes: 30 * time.Second, why: "100 streams of what 200 jobs do"},
	{dir: "cmd/thresher", name: "TestTheServersMemoryStaysBounded", takes: 25 * time.Second, why: "an upload of 768 MiB, and floods"},
	{dir: "cmd/thresher", name: "TestUploadsSurviveKill9", takes: 5 * time.Minute, why: "100 kills"},
	{dir: "core", name: "TestABatchThatIsRefusedHalfWayIsAbandoned", takes: 10 * time.Second, why: "ten batches of 1200 jobs"},
	{dir: "core", name: "TestABulkIsFinishedWhereverTheProcessEnds", takes: 10 * time.Second, why: "fifteen crashes with 300 jobs each"},
	{dir: "core", name: "TestABulkWaitsForTheDisk", takes: 10 * time.Second, why: "six full disks with 1600 jobs each"},
	{dir: "core", name: "TestACrashRemovesABatchThatIsNotWhole", takes: 5 * time.Second, why: "five crashes with 1200 jobs each"},
	{dir: "core", name: "TestALimitOfOneIsNeverTwo", takes: 20 * time.Second, why: "10 000 jobs"},
	{dir: "core", name: "TestAStopOutlivesACrash", takes: 10 * time.Second, why: "six crashes with 1200 jobs each"},
	{dir: "core", name: "TestBulksActOnTwentyThousandJobs", takes: 70 * time.Second, why: "20 000 jobs"},
	{dir: "core", name: "TestTheLaterBulkWins", takes: 15 * time.Second, why: "1500 jobs, 25 times"},
	{dir: "core", name: "TestInUseIsWhatRunsWhateverHappens", takes: 5 * time.Second, why: "many sequences of requests"},
	{dir: "core/dispatch", name: "TestTenantsShareSlotSecondsWhateverTheirJobsLengths", takes: 25 * time.Second, why: "hours of a simulated clock"},
	{dir: "core/ledger", name: "TestTheIndexInMemoryIsBoundedWhateverIsLive", takes: 15 * time.Second, why: "nine blocks of records, twice"},
	{dir: "core/ledger", name: "TestTheContract", takes: 90 * time.Second, why: "a hundred stores of several blocks"},
	{dir: "core/ledger", name: "TestALedgerClosesWhileItsFilesCannotBeMerged", takes: 10 * time.Second, why: "a hundred MiB of records"},
	{dir: "core/ledger", name: "TestAFlippedBitInAFileOfAnOpenStoreIsNamed", takes: 40 * time.Second, why: "many bits of each kind of file"},
	{dir: "core/ledger", name: "TestOneFlippedBitIsNeverServedAndNeverSilent", takes: 40 * time.Second, why: "many bits of each kind of file"},
	{dir: "core/ledger", name: "TestNoRecordIsLostToPowerCutsWhileItIsReplaced", plain: true, takes: 2 * time.Minute, why: "150 power cuts", args: []string{"-power-cuts", "150"}},
	{dir: "plugins/builtin", name: "TestJobsComeOutTheSameWhateverTheLoad", plain: true, takes: 4 * time.Minute, why: "every example and attack, 20 times"},
	{dir: "plugins/hostile", name: "TestDamagedModulesAreLoadedOrRefusedByName", takes: 15 * time.Second, why: "20 000 damaged modules"},
	{dir: "plugins/hostile", name: "TestEveryAttackEndsInItsErrorAndHurtsNobody", takes: 40 * time.Second, why: "every attack, twice"},
	{dir: "plugins/hostile", name: "TestEveryAttackEndsInItsErrorAndHurtsNobody", plain: true, takes: 35 * time.Second, why: "every attack, twice"},
	{dir: "plugins/hostile", name: "TestManyJobsAtOnce", takes: 10 * time.Second, why: "300 jobs"},
	{dir: "plugins/hostile", name: "TestManyJobsAtOnce", plain: true, takes: 15 * time.Minute, why: "100 000 jobs", args: []string{"-jobs", "100000"}},
	{dir: "plugins/sandbox", name: "TestCallsEndAtAnExactDepth", takes: 40 * time.Second, why: "five million instructions to compile"},
	{dir: "plugins/sandbox", name: "TestKernelsAnswerAGuestAsTheyAnswerTheHost", takes: 10 * time.Second, why: "70 000 rows of each kind of values"},
	{dir: "plugins/sandbox", name: "TestNeitherInputNorOutputMakesTheProcessGrowByMoreThanTheLimit", plain: true, takes: 20 * time.Second, why: "a million rows in every format"},
	{dir: "plugins/sandbox", name: "TestNoImportMakesTheProcessGrowByMoreThanIsCounted", plain: true, takes: 10 * time.Second, why: "every import with a million rows"},
	{dir: "plugins/sandbox", tags: "slowpaths", plain: true, takes: 25 * time.Second, why: "all of it, as it is where there is no Linux"},
	{dir: "plugins/sandbox/rewrite", name: "TestTheOfficialSuiteDoesTheSameRewritten", plain: true, takes: 15 * time.Second, why: "thousands of modules"},
	{dir: "plugins/sandbox/rewrite", name: "TestTheRuntimesOtherBinariesDoTheSameRewritten", plain: true, takes: 5 * time.Second, why: "large modules"},
	{dir: "plugins/sandbox/vet", name: "TestMemoryIsBoundByTheModulesSizeAndByTheLimits", takes: 15 * time.Second, why: "modules of 8 MiB"},
	{dir: "plugins/sdk/sdktest", name: "TestParamsAreExactOrRefused", takes: 15 * time.Second, why: "every language"},
	{dir: "plugins/sdk/sdktest", name: "TestTheExamplesKeepTheContract", takes: 20 * time.Second, why: "every language"},
	{dir: "plugins/sdk/sdktest", name: "TestTheExamplesTestsPass", takes: 10 * time.Second, why: "every language"},
	{dir: "plugins/sdk/sdktest", name: "TestTheRestOfTheSDKsIsTheSame", takes: 20 * time.Second, why: "every language"},
	{dir: "plugins/sdk/sdktest", name: "TestTheSameDeclarationIsTheSameManifest", takes: 20 * time.Second, why: "every language"},
	{dir: "plugins/sdk/sdktest", name: "TestTheSameRoutinesGiveTheSameResults", takes: 15 * time.Second, why: "every language"},
	{dir: "plugins/sdk/sdktest", name: "TestTheTutorialsWorkAsWritten", takes: 30 * time.Second, why: "every language"},
	{dir: "server", name: "TestAnswersAreLinearisable", takes: 35 * time.Second, why: "10 000 requests"},
}

func (t test) String() string {
	name := "./" + t.dir
	if t.name != "" {
		name += " " + t.name
	}
	if t.plain {
		name += ", no race detector"
	}
	if t.tags != "" {
		name += ", -tags " + t.tags
	}
	return name
}

// command is what `go` is called with.
func (t test) command(race bool) []string {
	args := []string{"test", "-json", "-count=1", "-timeout", "60m"}
	if race && !t.plain {
		args = append(args, "-race")
	}
	if t.tags != "" {
		args = append(args, "-tags", t.tags)
	}
	if t.name != "" {
		args = append(args, "-run", "^"+t.name+"$")
	}
	return append(append(args, "./"+t.dir), t.args...)
}

// choose returns the tests that a pattern matches, the shortest first.
func choose(all []test, pattern *regexp.Regexp) (chosen []test) {
	for _, t := range all {
		if pattern.MatchString(t.String()) {
			chosen = append(chosen, t)
		}
	}
	slices.SortStableFunc(chosen, func(a, b test) int { return cmp.Compare(a.takes, b.takes) })
	return chosen
}

// skipped is what was not run, or not to its end.
type skipped struct{ what, why string }

// sample returns the tests that together take no longer than a time.
func sample(all []test, most time.Duration) (chosen []test, left []skipped) {
	sum := time.Duration(0)
	for _, t := range all {
		if sum += t.takes; sum <= most {
			chosen = append(chosen, t)
			continue
		}
		left = append(left, skipped{t.String(), fmt.Sprintf("takes about %v (%s); a sample of %v has no time for it", t.takes, t.why, most)})
	}
	return chosen, left
}
