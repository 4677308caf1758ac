//go:build ignore

// Writes schema.json, the field numbers that decode.ts reads protobuf bodies by, from the Go types of k8s.io/api.
//
//	go mod init x && go get k8s.io/api@v0.33.3 && go run schema.go > schema.json
package main

import (
	"encoding/json"
	"os"
	"reflect"
	"strings"

	apps "k8s.io/api/apps/v1"
	authn "k8s.io/api/authentication/v1"
	authz "k8s.io/api/authorization/v1"
	autoscalingv1 "k8s.io/api/autoscaling/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	batch "k8s.io/api/batch/v1"
	certificates "k8s.io/api/certificates/v1"
	core "k8s.io/api/core/v1"
	networking "k8s.io/api/networking/v1"
	policy "k8s.io/api/policy/v1"
	rbac "k8s.io/api/rbac/v1"
	scheduling "k8s.io/api/scheduling/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// What kubectl's typed clients send; everything else it sends as JSON.
var roots = []any{
	meta.DeleteOptions{}, apps.Deployment{}, authn.SelfSubjectReview{}, authn.TokenRequest{},
	authz.SelfSubjectAccessReview{}, authz.SelfSubjectRulesReview{}, autoscalingv1.HorizontalPodAutoscaler{}, autoscalingv1.Scale{},
	autoscalingv2.HorizontalPodAutoscaler{}, batch.CronJob{}, batch.Job{}, certificates.CertificateSigningRequest{},
	core.ConfigMap{}, core.Namespace{}, core.Node{}, core.Pod{}, core.ResourceQuota{}, core.Secret{}, core.Service{}, core.ServiceAccount{},
	networking.Ingress{}, policy.Eviction{}, policy.PodDisruptionBudget{}, rbac.ClusterRole{}, rbac.ClusterRoleBinding{},
	rbac.Role{}, rbac.RoleBinding{}, scheduling.PriorityClass{},
}

// Types with a JSON form of their own.
var special = map[string]string{"Quantity": "quantity", "IntOrString": "intOrString", "Time": "time", "MicroTime": "time", "RawExtension": "raw", "FieldsV1": "raw"}

var schema = map[string]map[string][]string{}

func nameOf(t reflect.Type) string {
	parts := strings.Split(t.PkgPath(), "/")
	return strings.Join(parts[len(parts)-2:], "/") + "." + t.Name()
}

func typeOf(t reflect.Type) string {
	switch t.Kind() {
	case reflect.Pointer:
		return typeOf(t.Elem()) + "?"
	case reflect.Slice:
		if t.Elem().Kind() == reflect.Uint8 {
			return "bytes"
		}
		return "[]" + typeOf(t.Elem())
	case reflect.Map:
		return "{}" + typeOf(t.Elem())
	case reflect.String:
		return "string"
	case reflect.Bool:
		return "bool"
	case reflect.Struct:
		if s, ok := special[t.Name()]; ok {
			return s
		}
		visit(t)
		return nameOf(t)
	default:
		return "int"
	}
}

func visit(t reflect.Type) {
	if schema[nameOf(t)] != nil {
		return
	}
	fields := map[string][]string{}
	schema[nameOf(t)] = fields
	for i := range t.NumField() {
		tag := t.Field(i).Tag.Get("protobuf")
		if tag == "" {
			continue
		}
		jsonName, options, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
		if strings.Contains(options, "inline") {
			jsonName = ""
		}
		fields[strings.Split(tag, ",")[1]] = []string{jsonName, typeOf(t.Field(i).Type)}
	}
}

func main() {
	for _, root := range roots {
		visit(reflect.TypeOf(root))
	}
	// A named slice such as ExtraValue travels as a message of its own; none is among what kubectl sends.
	encoder := json.NewEncoder(os.Stdout)
	if err := encoder.Encode(schema); err != nil {
		panic(err)
	}
}
