#!/bin/sh
# Builds the programs that nobody here wrote and that the conformance tests ask: kubectl and helm of many versions, and an etcd
# and a kube-apiserver to record from. Everything comes through the Go module proxy; nothing is installed outside FOLDER.
#
#   test/conformance/record/build.sh FOLDER [PROGRAM@VERSION ...]
#
# Without names it builds all of them, the ones that matter most first; what is there already is left alone. One at a time and
# niced: kube-apiserver takes about ten minutes on two cores, a kubectl or a helm two or three.
#
# FOLDER/bin then holds kubectl.1.37 ... kubectl.1.27, helm-4.3 ... helm-3.12, etcd, kube-apiserver: the names by which the
# tests find them (AKSGW_KUBECTL_DIR, AKSGW_HELM_DIR).
set -eu
folder=${1:?usage: build.sh FOLDER [PROGRAM@VERSION ...]}
shift
mkdir -p "$folder/bin" "$folder/source"
folder=$(cd "$folder" && pwd)
export GOFLAGS="-p=${PARALLEL:-2} -mod=mod" GOTOOLCHAIN=local CGO_ENABLED=0

# One patch of each minor, mostly the newest that the proxy serves; kubectl 1.34 is of the API server's own version, with which it shares most packages.
all='kubectl@1.37.2 etcd@3.6.16 kube-apiserver@1.34.4 kubectl@1.34.4 helm@3.22.0 helm@4.3.1
  kubectl@1.36.6 kubectl@1.35.10 helm@3.18.6 helm@3.15.4 helm@3.12.3
  kubectl@1.33.13 kubectl@1.32.3 kubectl@1.31.3 kubectl@1.30.14 kubectl@1.29.6 kubectl@1.28.3 kubectl@1.27.3
  helm@3.14.4 helm@3.13.3 helm@4.0.0 helm@4.2.4 helm@3.17.4 helm@3.16.4 helm@4.1.0 helm@3.20.2 helm@3.19.5 helm@3.21.4'

minor() { echo "$1" | cut -d . -f 1,2; }

# An empty module for one program; leaves the shell in it.
module() {
  mkdir -p "$folder/source/$1"
  cd "$folder/source/$1"
  rm -f go.mod go.sum
  go mod init "conformance.invalid/$1" 2>/dev/null
}

# go build strips paths and symbols, so that the same recipe gives the same bytes.
build() { go build -trimpath -ldflags "-s -w ${2:-}" -o "$folder/bin/$1.part" . && mv "$folder/bin/$1.part" "$folder/bin/$1"; }

# kubectl's own main (k8s.io/kubernetes/cmd/kubectl) over the package that the proxy serves.
build_kubectl() {
  module "kubectl-$1"
  cat > main.go <<'GO'
package main

import (
	"k8s.io/component-base/cli"
	_ "k8s.io/client-go/plugin/pkg/client/auth"
	"k8s.io/kubectl/pkg/cmd"
	"k8s.io/kubectl/pkg/cmd/util"
)

func main() {
	if err := cli.RunNoErrOutput(cmd.NewDefaultKubectlCommand()); err != nil {
		util.CheckErr(err)
	}
}
GO
  staging=v0.$(echo "$1" | cut -d . -f 2-)
  go get "k8s.io/kubectl@$staging" "k8s.io/component-base@$staging" "k8s.io/client-go@$staging"
  version=k8s.io/component-base/version
  build "kubectl.$(minor "$1")" "-X $version.gitVersion=v$1 -X $version.gitMajor=1 -X $version.gitMinor=$(echo "$1" | cut -d . -f 2)"
}

build_helm() {
  module "helm-$1"
  major=v$(echo "$1" | cut -d . -f 1)
  printf '//go:build tools\n\npackage main\n\nimport _ "helm.sh/helm/%s/cmd/helm"\n' "$major" > tools.go
  go get "helm.sh/helm/$major/cmd/helm@v$1"
  case $major in v3) version=helm.sh/helm/v3/internal/version ;; *) version=helm.sh/helm/v4/internal/version ;; esac
  go build -trimpath -ldflags "-s -w -X $version.version=v$1" -o "$folder/bin/helm-$(minor "$1").part" "helm.sh/helm/$major/cmd/helm"
  mv "$folder/bin/helm-$(minor "$1").part" "$folder/bin/helm-$(minor "$1")"
}

build_etcd() {
  module "etcd-$1"
  printf 'package main\n\nimport (\n\t"os"\n\n\t"go.etcd.io/etcd/server/v3/etcdmain"\n)\n\nfunc main() { etcdmain.Main(os.Args) }\n' > main.go
  go get "go.etcd.io/etcd/server/v3@v$1"
  build etcd
}

# k8s.io/kubernetes requires its own staging repositories at v0.0.0: each is replaced by the published one.
build_apiserver() {
  module "kube-apiserver-$1"
  staging=v0.$(echo "$1" | cut -d . -f 2-)
  cat > main.go <<'GO'
package main

import (
	"os"

	"k8s.io/component-base/cli"
	"k8s.io/kubernetes/cmd/kube-apiserver/app"
)

func main() { os.Exit(cli.Run(app.NewAPIServerCommand())) }
GO
  requires=$(go mod download -json "k8s.io/kubernetes@v$1" | sed -n 's/.*"GoMod": "\(.*\)".*/\1/p')
  sed -n 's#^[[:space:]]*\(k8s\.io/[a-z0-9-]*\) v0\.0\.0\( .*\)*$#\1#p' "$requires" | sort -u | while read -r repository; do
    go mod edit -replace "$repository=$repository@$staging"
  done
  go mod edit -require "k8s.io/kubernetes@v$1"
  version=k8s.io/component-base/version
  build kube-apiserver "-X $version.gitVersion=v$1 -X $version.gitMajor=1 -X $version.gitMinor=$(echo "$1" | cut -d . -f 2)"
}

for one in ${@:-$all}; do
  program=${one%@*}
  version=${one#*@}
  case $program in kubectl) binary=kubectl.$(minor "$version") ;; helm) binary=helm-$(minor "$version") ;; *) binary=$program ;; esac
  if [ -x "$folder/bin/$binary" ]; then
    echo "$binary: there already"
    continue
  fi
  echo "$binary: building $version"
  case $program in
    kubectl) (build_kubectl "$version") ;;
    helm) (build_helm "$version") ;;
    etcd) (build_etcd "$version") ;;
    kube-apiserver) (build_apiserver "$version") ;;
    *) echo "unknown program: $program" >&2; exit 2 ;;
  esac || { echo "$binary: failed" >&2; failed=1; }
done
exit "${failed:-0}"
