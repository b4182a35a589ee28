# Lectern: every verb on one page. `make help` says what each does.
# Variables: CC, SAN=address|undefined|thread, V=1 (show commands), O (flags).

ifeq ($(origin CC),default)
CC := gcc
endif
SAN   ?=
O     ?= -O2 -g
V     ?=
BUILD ?= build$(if $(SAN),/$(SAN))
Q     := $(if $(V),,@)

comma := ,
# address brings undefined along: one instrumented build finds both.
SANFLAGS := $(if $(filter address,$(SAN)),-fsanitize=address$(comma)undefined -fno-sanitize-recover=undefined,$(if $(SAN),-fsanitize=$(SAN) $(if $(filter undefined,$(SAN)),-fno-sanitize-recover=undefined)))
# Each warning has found a defect somewhere; a new one must earn its place.
# (snprintf into a bounded field is meant to truncate.)
WARN := -Wall -Wextra -Werror -Wshadow -Wstrict-prototypes \
        $(if $(findstring clang,$(CC)),,-Wno-format-truncation) -Wmissing-prototypes -Wvla -Wpointer-arith -Wformat=2 -Wundef
LIBS := libuv openssl libnghttp2 zlib yaml-0.1 jansson sqlite3 libcurl libsrtp2 srt
AVLIBS := libavcodec libavfilter libavutil libswscale libswresample

CFLAGS  ?=
CPPFLAGS += -D_GNU_SOURCE -I. -I$(BUILD)
ALL_CFLAGS = -std=gnu11 $(O) $(WARN) -fno-omit-frame-pointer -pthread \
             $(SANFLAGS) $(CPPFLAGS) $(LIB_CFLAGS) $(CFLAGS)
LIB_CFLAGS := $(shell pkg-config --cflags $(LIBS) 2>/dev/null)
LIB_LIBS   := $(shell pkg-config --libs $(LIBS) 2>/dev/null)
AV_LIBS    := $(shell pkg-config --libs $(AVLIBS) 2>/dev/null)
LINK = $(CC) $(ALL_CFLAGS) $(LDFLAGS) -Wl,--as-needed -o $@

SRC        := $(filter-out app/main.c,$(wildcard core/*/*.c ingest/*.c \
              ingest/*/*.c transcode/*.c packager/*.c edge/*.c control/*.c \
              cluster/*.c app/*.c app/*/*.c))
WORKER_SRC := $(filter-out transcode/worker/main.c,$(wildcard transcode/worker/*.c))
UNIT       := $(shell find tests/unit -name "*.c" 2>/dev/null | sort)
PROTOCOL   := $(wildcard tests/protocol/*.c tests/protocol/*/*.c)
FUZZ       := $(wildcard tests/fuzz/*.c)
BENCH      := $(wildcard tests/bench/*.c)
TOOLS      := $(wildcard tests/tools/*.c)
WEB        := $(shell find web -type f 2>/dev/null | sort)

obj = $(patsubst %.c,$(BUILD)/%.o,$(1))
bin = $(patsubst %.c,$(BUILD)/%,$(1))
CORE   := $(BUILD)/liblectern.a
WORKER := $(BUILD)/libworker.a
CLIENT := $(BUILD)/libclient.a
WRAP   := -Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc,--wrap=strdup
# Tests of the child's parts, or that use codecs, link libav*.
NEEDS_AV = $(if $(findstring transcode/worker,$@),$(WORKER) $(AV_LIBS))

.PHONY: all run test unit units protocol protocols alloc-fail web-unit e2e matrix \
        sanitize bench soak fuzz fuzz-targets seeds lint lint-quick format help deps clean
.DELETE_ON_ERROR:
.SECONDARY:

all: $(BUILD)/lectern $(BUILD)/lectern-transcode compile_commands.json

$(BUILD)/lectern: $(BUILD)/app/main.o $(BUILD)/web_assets.o $(CORE)
	@echo "  link  $@"
	$(Q)$(LINK) $^ $(LIB_LIBS) -lm

$(BUILD)/lectern-transcode: $(BUILD)/transcode/worker/main.o $(WORKER) $(CORE)
	@echo "  link  $@"
	$(Q)$(LINK) $^ $(AV_LIBS) $(LIB_LIBS) -lm

$(CORE): $(call obj,$(SRC))
$(WORKER): $(call obj,$(WORKER_SRC))
$(CLIENT): $(BUILD)/tests/rtc_client.o $(BUILD)/tests/whep_client.o
$(CORE) $(WORKER) $(CLIENT):
	$(Q)rm -f $@
	$(Q)ar rcs $@ $^

$(BUILD)/%.o: %.c
	@mkdir -p $(@D)
	@echo "  cc    $<"
	$(Q)$(CC) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<

# The pages travel inside the program.
$(BUILD)/web_assets.c: web/embed.sh $(WEB)
	@mkdir -p $(@D)
	$(Q)sh web/embed.sh > $@
$(BUILD)/web_assets.o: $(BUILD)/web_assets.c
	$(Q)$(CC) $(ALL_CFLAGS) -c -o $@ $<

$(BUILD)/tests/unit/%: $(BUILD)/tests/unit/%.o $(BUILD)/tests/harness.o $(CLIENT) $(CORE) $(WORKER)
	$(Q)$(LINK) $(WRAP) $(filter %.o,$^) $(NEEDS_AV) $(CLIENT) $(CORE) -lcmocka $(LIB_LIBS) -lm
$(BUILD)/tests/protocol/%: $(BUILD)/tests/protocol/%.o $(BUILD)/tests/harness.o $(CLIENT) $(CORE) $(WORKER)
	$(Q)$(LINK) $(WRAP) $(filter %.o,$^) $(NEEDS_AV) $(CLIENT) $(CORE) -lcmocka $(LIB_LIBS) -lm
$(BUILD)/tests/seeds/%: $(BUILD)/tests/fuzz/%.o $(BUILD)/tests/seeds.o $(CLIENT) $(CORE)
	@mkdir -p $(@D)
	$(Q)$(LINK) $^ $(LIB_LIBS) -lm
$(BUILD)/tests/tools/%: $(BUILD)/tests/tools/%.o $(CORE)
	@echo "  link  $@"
	$(Q)$(LINK) $^ $(LIB_LIBS) -lm
$(BUILD)/tests/bench/%: $(BUILD)/tests/bench/%.o $(CLIENT) $(CORE)
	@echo "  link  $@"
	$(Q)$(LINK) $^ $(LIB_LIBS) -lm

# --- verbs ------------------------------------------------------------------
run: ## build, start, publish a demo lecture: open the address it prints
	$(Q)sh deploy/deps.sh run
	$(Q)$(MAKE) --no-print-directory all
	$(Q)$(BUILD)/lectern serve --demo $(ARGS)

TEST_PARTS ?= lint-quick unit protocol seeds web-unit alloc-fail e2e sanitize
test: ## everything that must hold: installs what it needs, closes with a sum
	$(Q)sh deploy/deps.sh test
	$(Q)$(MAKE) --no-print-directory -j2 all units protocols
	$(Q)MAKE="$(MAKE)" sh tests/all.sh $(TEST_PARTS)

deps: ## install the Debian packages and npm modules that are missing
	$(Q)sh deploy/deps.sh test

# One of them starts the child.
units: $(call bin,$(UNIT)) $(BUILD)/lectern-transcode
protocols: $(call bin,$(PROTOCOL))

unit: units ## unit tests (cmocka), file for file beside the rooms
	$(Q)sh tests/run.sh unit $(call bin,$(UNIT))
protocol: protocols ## protocol tests: bytes in, events out
	$(Q)sh tests/run.sh protocol $(call bin,$(PROTOCOL))
seeds: $(FUZZ:tests/fuzz/%.c=$(BUILD)/tests/seeds/%) ## fuzz targets over their committed seeds, without a fuzzer
	$(Q)sh tests/seeds.sh $^
alloc-fail: units ## unit tests again, the n-th allocation failing
	$(Q)sh tests/alloc_fail.sh $(call bin,$(UNIT))

web-unit: ## unit tests of the pages' modules (node)
	$(Q)sh tests/node.sh web-unit tests/unit/web/*.test.mjs
e2e: all $(call bin,$(TOOLS)) ## real encoders and browsers against the real server
	$(Q)sh tests/node.sh e2e tests/e2e/*.test.mjs
matrix: all ## every encoder, every way, every trouble: docs/publishers.md
	$(Q)LECTERN_MATRIX=all sh tests/node.sh matrix tests/e2e/matrix.test.mjs
E2E_SHORT := tests/e2e/short.test.mjs
sanitize: ## unit, protocol and a short e2e under ASan + UBSan
	$(Q)$(MAKE) --no-print-directory SAN=address O="-O1 -g" -j2 all units protocols
	$(Q)$(MAKE) --no-print-directory SAN=address O="-O1 -g" unit protocol seeds
	$(Q)LECTERN_BUILD=build/address sh tests/node.sh e2e-short $(E2E_SHORT)
bench: all $(call bin,$(BENCH)) $(call bin,$(TOOLS)) ## every figure of the README's table, as ratios where there is a peer
	$(Q)sh tests/bench/run.sh
soak: all ## 30 minutes of one lecture and 50 viewers: memory, latency, errors
	$(Q)node tests/bench/soak.mjs

# Fuzz targets are built by clang with libFuzzer, each with the whole core.
FUZZ_SECONDS ?= 30
FUZZ_BUILD := build/fuzz
fuzz: ## every fuzz target from its seeds, FUZZ_SECONDS (30) each
	$(Q)$(MAKE) --no-print-directory CC=clang-14 BUILD=$(FUZZ_BUILD) WARN= \
	    O="-O1 -g -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=undefined" \
	    fuzz-targets
	$(Q)sh tests/fuzz/run.sh $(FUZZ_BUILD) $(FUZZ_SECONDS) $(FUZZ)
fuzz-targets: $(call bin,$(FUZZ))
$(BUILD)/tests/fuzz/%: $(BUILD)/tests/fuzz/%.o $(CLIENT) $(CORE)
	$(Q)$(LINK) -fsanitize=fuzzer $^ $(LIB_LIBS) -lm

lint: ## include arrows, format, clang-tidy, cppcheck
	$(Q)sh tests/lint/arrows.sh
	$(Q)sh tests/lint/format.sh
	$(Q)sh tests/lint/analyse.sh
lint-quick:
	$(Q)sh tests/lint/quick.sh
format: ## rewrite the sources as .clang-format says
	$(Q)sh tests/lint/format.sh --fix

compile_commands.json: Makefile $(SRC) $(WORKER_SRC)
	$(Q)sh tests/lint/compile_commands.sh "$(CC) $(ALL_CFLAGS)" $(SRC) \
	    $(WORKER_SRC) app/main.c transcode/worker/main.c > $@

help: ## this list
	@awk -F':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' Makefile

clean: ## remove what was built
	$(Q)rm -rf build compile_commands.json

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
