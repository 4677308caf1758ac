package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/pod-security-admission/api"
	"k8s.io/pod-security-admission/policy"
)

// Reads pods, one JSON document a line; prints for each the names of the checks that fail at baseline and at restricted.
func main() {
	evaluator, err := policy.NewEvaluator(policy.DefaultChecks())
	if err != nil {
		panic(err)
	}
	in := bufio.NewScanner(os.Stdin)
	in.Buffer(make([]byte, 1<<20), 1<<24)
	for in.Scan() {
		var pod corev1.Pod
		if err := json.Unmarshal(in.Bytes(), &pod); err != nil {
			fmt.Println("error", err)
			continue
		}
		verdict := func(level api.Level) bool {
			lv := api.LevelVersion{Level: level, Version: api.LatestVersion()}
			return policy.AggregateCheckResults(evaluator.EvaluatePod(lv, &pod.ObjectMeta, &pod.Spec)).Allowed
		}
		fmt.Println(verdict(api.LevelBaseline), verdict(api.LevelRestricted))
	}
}
