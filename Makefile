# drain_exporter.  "make help" lists what can be made.
#
#   V=1          show the commands
#   BUILD=dir    where the results go (build)

BUILD   ?= build
ifeq ($(origin CC),default)
CC      := gcc
endif

WARNINGS := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith -Wwrite-strings -Werror
CFLAGS   ?= -O3 -g
ALL_CFLAGS = -std=gnu11 -D_GNU_SOURCE -DH2O_USE_EPOLL=1 -Iinclude -Ivendor $(WARNINGS) -fno-strict-aliasing \
             -fstack-protector-strong '-ffile-prefix-map=$(CURDIR)=.' -pthread $(CFLAGS) $(SANITIZE)
HARDENING ?= -pie -Wl,-z,relro,-z,now
LIBS     = -lh2o-evloop -lssl -lcrypto -lcjson -l:libb64.a -lyaml -lpcre2-8 -lcrypt -lseccomp -lz -lisal -lm
JEMALLOC ?= -l:libjemalloc_pic.a

SOURCES := $(wildcard src/*.c src/*/*.c) vendor/allocator.c vendor/localeconv.c vendor/strtod.c vendor/yaml_memory.c
OBJECTS := $(SOURCES:%.c=$(BUILD)/%.o)
MODULES   := $(filter-out $(BUILD)/src/main.o,$(OBJECTS))

Q := $(if $(V),,@)

.DEFAULT_GOAL := build
.PHONY: help build clean
help: ## list what can be made
	@sed -n 's/^\([a-z][a-z-]*\):.*## \(.*\)/\1\t\2/p' Makefile | expand -t 14

build: $(BUILD)/drain_exporter ## the program, in build/drain_exporter

$(BUILD)/drain_exporter: $(OBJECTS)
	$(Q)$(CC) $(ALL_CFLAGS) -fPIE $(HARDENING) $(LDFLAGS) -Wl,-Map=$@.map -o $@ $^ $(JEMALLOC) $(LIBS)

$(BUILD)/%.o: %.c
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) -fPIE -MMD -MP -c -o $@ $<

# What is compiled in as it is.
$(BUILD)/src/output/status_text.o: src/output/status.css src/output/status.js

-include $(OBJECTS:.o=.d)

# ---- packages ----

SUDO := $(if $(filter 0,$(shell id -u)),,sudo)

# Install those packages of the lists given that are missing.
define install
	@missing=$$(for package in $$(sed 's/#.*//; s/ .*//' $(1)); do \
	    dpkg-query -W -f '$${Status}' $$package 2>/dev/null | grep -q 'ok installed' || echo $$package; done); \
	if [ -n "$$missing" ]; then \
	    echo "installing:" $$missing; \
	    $(SUDO) apt-get update -qq && \
	    DEBIAN_FRONTEND=noninteractive $(SUDO) apt-get install -y -qq --no-install-recommends $$missing >/dev/null; \
	fi
endef

.PHONY: deps test-deps
deps: ## install the packages that the build needs
	$(call install,vendor/packages.txt)
test-deps: deps ## install the packages that the tests need
	$(call install,vendor/test-packages.txt vendor/run-packages.txt vendor/release-packages.txt)

# ---- running ----

.PHONY: run
run: deps ## build and run the program with throw-away passwords and a recorded batch
	$(call install,vendor/run-packages.txt)
	@$(MAKE) --no-print-directory build
	@docker/run-locally $(BUILD)/drain_exporter

# Without jemalloc, for what brings an allocator of its own.
CALLGRIND = BUILD=$(BUILD)/callgrind CFLAGS="$(CFLAGS) -DWITHOUT_JEMALLOC" JEMALLOC= SANITIZE=
.PHONY: without-jemalloc
without-jemalloc: # one target for all that need it, which may be made side by side
	$(Q)$(MAKE) --no-print-directory $(CALLGRIND) $(BUILD)/callgrind/drain_exporter $(BUILD)/callgrind/tests/bench/lines $(BUILD)/callgrind/tests/bench/pages

# ---- tests ----

.PHONY: test check includes layers unit stress stress-long corpus conformance alerts end-to-end asan tsan fuzz
test: test-deps ## install what is missing and run all tests, also under the sanitizers
	@tests/run-all

# All tests against one build; also under the sanitizers, see below.
check: includes layers unit stress corpus short-memory-some conformance $(if $(SANITIZER),,instructions analyse-gcc alerts test-package soak-short) end-to-end ## all tests of this build

includes: ## each folder of the sources includes only what it may
	$(Q)tests/check_includes

# Each folder links with those that it may include, and no other: an undefined symbol would be a call upwards.
LAYERS         := base store families config intake output server exporter commands
BELOW_store    := base
BELOW_families := base
BELOW_config   := base families
BELOW_intake   := base families store
BELOW_output   := base store
BELOW_server   := base families store config intake output
BELOW_exporter := $(BELOW_server) server
BELOW_commands := $(BELOW_exporter) exporter
objects_of = $(filter $(foreach folder,$(1),$(BUILD)/src/$(folder)/% $(BUILD)/src/$(folder).o) $(BUILD)/vendor/%,$(OBJECTS))
define layer
$(BUILD)/layers/$(1): $(call objects_of,$(1) $(BELOW_$(1)))
	@mkdir -p $$(@D)
	$$(Q)echo 'int main(void) { return 0; }' | $$(CC) $$(ALL_CFLAGS) -pie $$(LDFLAGS) -o $$@ -x c - -x none $$^ $$(JEMALLOC) $$(LIBS)
endef
$(foreach folder,$(LAYERS),$(eval $(call layer,$(folder))))

layers: $(LAYERS:%=$(BUILD)/layers/%) ## each folder links without those above it

conformance: build ## the conformance cases
	$(Q)tests/conformance/run --program $(BUILD)/drain_exporter tests/conformance/*.json

alerts: ## each alert of docker/prometheus fires when it should and is silent when not, says promtool
	$(Q)tests/alerts/run

end-to-end: build ## the program and a real Prometheus
	$(Q)tests/end_to_end/run --program $(BUILD)/drain_exporter $(if $(SANITIZER),--sanitizer $(SANITIZER))

ATTACK_REQUESTS ?= 1000000
.PHONY: attack
attack: build ## attack it with a million hostile requests at the default limits, and as many in half a GiB, twice; 10 minutes
	$(Q)tests/siege/run --program $(BUILD)/drain_exporter --requests $(ATTACK_REQUESTS)

# A sanitizer has means of its own to find what is kept.
.PHONY: soak soak-short
soak: build $(BUILD)/tests/bench/load ## ten minutes of mixed load, after which memory, file descriptors and threads must be what they were; SOAK_SECONDS=3600
	$(Q)tests/soak/run --program $(BUILD)/drain_exporter --load $(BUILD)/tests/bench/load $(if $(SOAK_SECONDS),--seconds $(SOAK_SECONDS))
soak-short: build $(BUILD)/tests/bench/load # the same in half a minute
	$(Q)tests/soak/run --program $(BUILD)/drain_exporter --load $(BUILD)/tests/bench/load --short

.PHONY: newcomer
newcomer: ## go by README on a bare Debian 12: clone, make run, its page in Chromium, make test (as root); TESTS='make unit' for a short one
	$(Q)tests/newcomer/run $(BUILD)/newcomer $(if $(TESTS),--tests '$(TESTS)')

stress: $(BUILD)/stress_store $(BUILD)/stress_page ## the store, and pages of it, under several threads
	$(Q)$(BUILD)/stress_store
	$(Q)$(BUILD)/stress_page $(STRESS_PAGES)

stress-long: ## the same with a million pages
	@$(MAKE) --no-print-directory stress STRESS_PAGES=1000000

# ASan and TSan replace the allocator, so jemalloc stays out.
asan: ## all tests under AddressSanitizer and UndefinedBehaviorSanitizer
	@$(MAKE) --no-print-directory check BUILD=$(BUILD)/asan SANITIZER=asan JEMALLOC= \
	    CFLAGS='-O1 -g -fno-omit-frame-pointer -DWITHOUT_JEMALLOC' \
	    SANITIZE='-fsanitize=address,undefined -fno-sanitize-recover=undefined'
tsan: ## all tests under ThreadSanitizer
	@$(MAKE) --no-print-directory check BUILD=$(BUILD)/tsan SANITIZER=tsan JEMALLOC= \
	    CFLAGS='-O1 -g -DWITHOUT_JEMALLOC' SANITIZE='-fsanitize=thread'

# The modules as an archive: a test links what it uses and no more.
$(BUILD)/modules.a: $(MODULES)
	$(Q)rm -f $@ && ar rcs $@ $^

UNIT_TESTS := $(patsubst tests/unit/%.c,$(BUILD)/%,$(wildcard tests/unit/test_*.c))
UNIT_OBJECTS := $(BUILD)/tests/unit/support.o $(BUILD)/tests/unit/page_support.o $(BUILD)/tests/unit/scripted_server.o $(BUILD)/vendor/yaml_memory.o

$(BUILD)/test_%: $(BUILD)/tests/unit/test_%.o $(UNIT_OBJECTS) $(BUILD)/modules.a
	$(Q)$(CC) $(ALL_CFLAGS) -pie $(LDFLAGS) -o $@ $^ -lcmocka $(JEMALLOC) $(LIBS)

# Memory that fails, see tests/unit/allocation.h: our own calls of these go through it.  A static jemalloc
# would be one of our objects.
WRAP := malloc calloc realloc aligned_alloc strdup strndup asprintf free mmap munmap fopen pthread_create
$(BUILD)/test_allocation: $(BUILD)/tests/unit/test_allocation.o $(BUILD)/tests/unit/allocation.o $(UNIT_OBJECTS) $(BUILD)/modules.a
	$(Q)$(CC) $(ALL_CFLAGS) -pie $(LDFLAGS) $(WRAP:%=-Wl,--wrap=%) -o $@ $^ -lcmocka $(if $(JEMALLOC),-ljemalloc) $(LIBS)

$(BUILD)/stress_%: $(BUILD)/tests/unit/stress_%.o $(BUILD)/modules.a
	$(Q)$(CC) $(ALL_CFLAGS) -pie $(LDFLAGS) -o $@ $^ $(JEMALLOC) $(LIBS)

.SECONDARY:
-include $(wildcard $(BUILD)/tests/*/*.d)

# A start of the program with each of its allocations failing once; it is built as for callgrind, see below.
SHORT_MEMORY_EVERY ?= 1
.PHONY: short-memory short-memory-some
short-memory: $(BUILD)/fail_allocation.so without-jemalloc ## start the program with each allocation failing once; SHORT_MEMORY_EVERY=10 for each tenth
	$(Q)tests/short_memory/run --program $(BUILD)/callgrind/drain_exporter --library $< --every $(SHORT_MEMORY_EVERY)
# Sanitizers bring an allocator of their own.
short-memory-some: $(if $(SANITIZER),,without-jemalloc)
	$(Q)$(if $(SANITIZER),,$(MAKE) --no-print-directory short-memory SHORT_MEMORY_EVERY=10)

$(BUILD)/fail_allocation.so: tests/short_memory/fail_allocation.c
	@mkdir -p $(@D)
	$(Q)$(CC) -std=gnu11 -D_GNU_SOURCE $(WARNINGS) -O2 -g -shared -fPIC -o $@ $<

unit: $(UNIT_TESTS) ## the unit tests of all modules
	$(Q)failed=0; for test in $(UNIT_TESTS); do $(RUN) $$test || failed=1; done; exit $$failed

# ---- analysers: each must be without a finding ----

# gcc takes cJSON_IsArray(NULL) for possibly true, and a link that is set through a pointer to a pointer for a leak: clang
# and LeakSanitizer look for these.
ANALYSED      := $(OBJECTS:$(BUILD)/%.o=$(BUILD)/analyse/%)
ANALYSE_FLAGS  = -std=gnu11 -D_GNU_SOURCE -DH2O_USE_EPOLL=1 -Iinclude -Ivendor -Werror -pthread
.PHONY: analyse analyse-gcc analyse-clang analyse-valgrind
analyse: analyse-gcc analyse-clang analyse-valgrind ## gcc -fanalyzer and clang --analyze over the sources, valgrind over the unit tests; 5 minutes

analyse-gcc: $(ANALYSED:%=%.gcc)
$(BUILD)/analyse/%.gcc: %.c
	@mkdir -p $(@D)
	$(Q)gcc $(ANALYSE_FLAGS) -O1 -fanalyzer -Wno-analyzer-malloc-leak -Wno-analyzer-null-dereference -MMD -MP -MF $@.d -MT $@ -c -o $@ $<

analyse-clang: $(ANALYSED:%=%.clang)
$(BUILD)/analyse/%.clang: %.c
	@mkdir -p $(@D)
	$(Q)clang $(ANALYSE_FLAGS) -DWITHOUT_JEMALLOC --analyze --analyzer-output text -Xclang -analyzer-werror -o /dev/null $< && touch $@
-include $(ANALYSED:%=%.gcc.d)

# Under valgrind each test runs twenty to fifty times as long, and one thread at a time: those that are about time or about
# a process of their own are left out.
ANALYSED_TESTS := $(filter-out %/test_verifier %/test_sandbox %/test_privileges %/test_allocation %/test_epoch %/test_maintenance,$(UNIT_TESTS))
analyse-valgrind:
	@$(MAKE) --no-print-directory $(CALLGRIND) $(ANALYSED_TESTS:$(BUILD)/%=$(BUILD)/callgrind/%.valgrind)
%.valgrind: %
	$(Q)valgrind -q --error-exitcode=9 --leak-check=full --errors-for-leak-kinds=definite --show-leak-kinds=definite \
	    --suppressions=tests/unit/valgrind.supp $< >$@.log 2>&1 || { cat $@.log; exit 1; }
	$(Q)touch $@

# ---- fuzzing ----

FUZZ_TARGETS := $(patsubst tests/fuzz/fuzz_%.c,%,$(wildcard tests/fuzz/fuzz_*.c))
FUZZ_SECONDS ?= 60

$(BUILD)/replay_%: $(BUILD)/tests/fuzz/fuzz_%.o $(BUILD)/tests/fuzz/replay.o $(BUILD)/modules.a
	$(Q)$(CC) $(ALL_CFLAGS) -pie $(LDFLAGS) -o $@ $^ $(JEMALLOC) $(LIBS)

corpus: $(FUZZ_TARGETS:%=$(BUILD)/replay_%) ## the fuzz targets over their kept corpus
	$(Q)for target in $(FUZZ_TARGETS); do $(BUILD)/replay_$$target tests/fuzz/corpus/$$target || exit 1; done

# clang only: libFuzzer.  New inputs go to build/fuzz; what finds a bug belongs in tests/fuzz/corpus.
FUZZ_CC = clang -std=gnu11 -D_GNU_SOURCE -DH2O_USE_EPOLL=1 -DWITHOUT_JEMALLOC -Iinclude -Ivendor -O1 -g -fno-sanitize-recover=undefined
FUZZ_OBJECTS := $(patsubst %.c,$(BUILD)/fuzz/objects/%.o,$(filter-out src/main.c src/commands/%,$(SOURCES)))
$(BUILD)/fuzz/objects/%.o: %.c
	@mkdir -p $(@D)
	$(Q)$(FUZZ_CC) -fsanitize=fuzzer-no-link,address,undefined -MMD -MP -c -o $@ $<

$(BUILD)/fuzz/modules.a: $(FUZZ_OBJECTS)
	$(Q)rm -f $@ && ar rcs $@ $^

$(BUILD)/fuzz/fuzz_%: $(BUILD)/fuzz/objects/tests/fuzz/fuzz_%.o $(BUILD)/fuzz/objects/vendor/yaml_memory.o $(BUILD)/fuzz/modules.a
	$(Q)$(FUZZ_CC) -fsanitize=fuzzer,address,undefined -o $@ $^ $(LIBS)

-include $(FUZZ_OBJECTS:.o=.d) $(wildcard $(BUILD)/fuzz/objects/tests/fuzz/*.d)

fuzz: $(FUZZ_TARGETS:%=$(BUILD)/fuzz/fuzz_%) ## look for new inputs, FUZZ_SECONDS (60) for each target
	$(Q)for target in $(FUZZ_TARGETS); do \
	    mkdir -p $(BUILD)/fuzz/$$target && \
	    $(BUILD)/fuzz/fuzz_$$target -max_total_time=$(FUZZ_SECONDS) -max_len=4096 \
	        -artifact_prefix=$(BUILD)/fuzz/$$target- $(BUILD)/fuzz/$$target tests/fuzz/corpus/$$target \
	        > $(BUILD)/fuzz/$$target.log 2>&1 || { cat $(BUILD)/fuzz/$$target.log; exit 1; }; \
	    echo "$$target: no finding in $(FUZZ_SECONDS) s, $$(grep -o 'Done [0-9]* runs' $(BUILD)/fuzz/$$target.log)"; \
	done

# ---- benchmark: ratios to a bare libh2o sink, see tests/bench/run ----

BENCH       := $(BUILD)/tests/bench
BENCH_MODULES := $(filter $(BUILD)/vendor/%,$(OBJECTS)) $(BUILD)/modules.a

.PHONY: bench bench-compare bench-scale instructions instructions-renew
bench: $(BUILD)/drain_exporter $(BENCH)/sink $(BENCH)/load $(BENCH)/lines $(BENCH)/floors without-jemalloc ## measure it; BENCH_FLAGS=--quick for a short run
	$(Q)tests/bench/run --program $(BUILD)/drain_exporter --tools $(BENCH) \
	    --callgrind $(BUILD)/callgrind/tests/bench/lines $(BENCH_FLAGS)

BASE ?= HEAD
bench-compare: $(BUILD)/drain_exporter $(BENCH)/load $(BENCH)/lines without-jemalloc ## is this tree slower than the commit BASE (HEAD)? both in turn
	$(Q)tests/bench/compare --base $(BASE) --program $(BUILD)/drain_exporter --tools $(BENCH) \
	    --callgrind $(BUILD)/callgrind/tests/bench/lines $(BENCH_FLAGS)
bench-scale: $(BUILD)/drain_exporter $(BENCH)/load ## does anything grow faster than its input: workers, connections, series, apps, bodies
	$(Q)tests/bench/scale --program $(BUILD)/drain_exporter --tools $(BENCH) $(BENCH_FLAGS)

# Counts repeat, so a line that has become dearer is found on any machine, busy or not; in half a minute.
instructions: without-jemalloc ## what lines cost in instructions, against tests/bench/instructions.json
	$(Q)tests/bench/run --callgrind $(BUILD)/callgrind/tests/bench/lines --instructions check
instructions-renew: without-jemalloc ## write that file anew
	$(Q)tests/bench/run --callgrind $(BUILD)/callgrind/tests/bench/lines --instructions renew

$(BENCH)/sink: $(BENCH)/sink.o
	$(Q)$(CC) $(ALL_CFLAGS) $(HARDENING) $(LDFLAGS) -o $@ $^ $(JEMALLOC) $(LIBS)

$(BENCH)/load: $(BENCH)/load.o
	$(Q)$(CC) $(ALL_CFLAGS) $(HARDENING) $(LDFLAGS) -o $@ $^

$(BENCH)/lines $(BENCH)/pages $(BENCH)/floors: $(BENCH)/%: $(BENCH)/%.o $(BENCH_MODULES)
	$(Q)$(CC) $(ALL_CFLAGS) $(HARDENING) $(LDFLAGS) -o $@ $^ $(JEMALLOC) $(LIBS)

# ---- how many exporters a fleet takes: tests/capacity ----

FLEETS ?= 200 2000
.PHONY: fleet fleet-costs
fleet: $(BUILD)/drain_exporter ## let fleets of apps send to it (FLEETS="200 2000"), and compare series, memory and CPU with the model of tests/capacity
	$(Q)tests/capacity/run --program $(BUILD)/drain_exporter --compare $(FLEETS)
fleet-costs: $(BUILD)/drain_exporter $(BENCH)/load ## measure what that model counts with anew, and renew its table in docker/MANY.md
	$(Q)tests/capacity/run --program $(BUILD)/drain_exporter --tools $(BENCH) --costs --write

# ---- the container ----

.PHONY: image
image: ## the container image, built and tried without docker (as root); ARCH=amd64 or arm64; result: build/image/$ARCH/drain_exporter.tar
	docker/build-image $(BUILD)/image $(ARCH)

# ---- a release ----

.PHONY: package release test-package test-release
package: build ## a package of Debian for this machine, of what is built here, in build/package
	$(call install,vendor/release-packages.txt)
	$(Q)docker/make-release package $(BUILD)/drain_exporter $(BUILD)/package

test-package: package ## install that package beneath a folder, and look at what is in it
	$(Q)tests/release/run $(BUILD)/package --program $(BUILD)/drain_exporter

release: ## packages, images, SBOMs and checksums of the commit that is checked out, in build/release (as root); ARCH=amd64 or arm64 for one
	$(call install,vendor/release-packages.txt)
	$(Q)docker/make-release all $(BUILD)/release $(BUILD)/release-work $(or $(ARCH),amd64 arm64)

test-release: release ## look at these, with lintian and apt, and make them once more from nothing: all bytes must be the same; 30 minutes
	$(call install,vendor/release-packages.txt vendor/test-release-packages.txt)
	$(Q)tests/release/run $(BUILD)/release --images $(BUILD)/release-work --again $(BUILD)/test-release

# Another architecture, with Debian's cross compiler and libraries, tried under qemu-user.  Nothing but the tools is installed.
ARM64   = $(BUILD)/arm64
SYSROOT = $(abspath $(ARM64)/sysroot)
CROSS   = BUILD=$(ARM64) SANITIZE= CC='aarch64-linux-gnu-gcc --sysroot=$(SYSROOT)' RUN='qemu-aarch64 -L $(SYSROOT)'
.PHONY: test-arm64
test-arm64: ## build for arm64; unit tests and conformance of that build under qemu-user
	$(call install,vendor/arm64-packages.txt)
	docker/make-sysroot arm64 $(SYSROOT) $$(sed -n 's/^\(\(lib\|zlib\)[^ ]*-dev\) .*/\1/p' vendor/packages.txt) libcmocka-dev
	@$(MAKE) --no-print-directory $(CROSS) build unit
	@printf '#!/bin/sh\nexec qemu-aarch64 -L $(SYSROOT) $(abspath $(ARM64))/drain_exporter "$$@"\n' > $(ARM64)/run && chmod +x $(ARM64)/run
	tests/conformance/run --program $(ARM64)/run tests/conformance/*.json

# ---- what an installation has beside the program ----

.PHONY: manual
manual: build ## the man page, and completions for bash and zsh, in build/share
	$(Q)docker/manual/make-manual $(BUILD)/drain_exporter $(BUILD)/share

.PHONY: format
format: ## lay the C sources out as .clang-format says
	$(Q)clang-format -i $$(git ls-files '*.c' '*.h')

clean: ## remove all results
	rm -rf $(BUILD)
