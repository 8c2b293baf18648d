# mapilb: make help lists the targets.
#
# src/<layer>/*.c make one library, src/main the daemon, tools/<name>/*.c a
# program each (tools/bench: one a file), tests/<layer>/test_*.c a test each.

BUILD	?= build
export BUILD
CLANG	?= clang
ifeq ($(origin CC),default)
CC	:= gcc
endif
CSTD	:= -std=c11 -D_GNU_SOURCE
WARN	:= -Wall -Wextra -Wconversion -Wshadow -Wstrict-prototypes -Werror
OPT	?= -O2 -g
CFLAGS	:= $(CSTD) $(WARN) $(OPT) $(SAN) -pthread -fno-strict-aliasing \
	   -Iinclude -Itools
LDFLAGS	:= $(SAN) -pthread
LDLIBS	:= -lev -lbpf -lmnl -lcap
ASAN	:= -fsanitize=address,undefined -fno-sanitize-recover=all \
	   -fno-omit-frame-pointer

lib_src	   := $(wildcard $(addsuffix /*.c,$(addprefix src/,base wire core \
		net svc)))
main_src   := $(wildcard src/main/*.c)
load_src   := $(filter-out src/main/mapilbd.c,$(main_src))
bpf_src	   := $(wildcard src/net/*.bpf.c)
lib_src	   := $(filter-out $(bpf_src),$(lib_src))
sim_src	   := $(wildcard tools/sim/*.c)
tool_dirs  := $(filter-out tools/bench,$(patsubst %/,%,$(dir $(wildcard \
		tools/*/main.c))))
bench_src  := $(wildcard tools/bench/*.c)
test_src   := $(wildcard tests/*/test_*.c)
fuzz_src   := $(wildcard tests/fuzz/fuzz_*.c)
help_src   := $(wildcard tests/helper/*.c)
stage_src  := $(filter-out tests/scenario/test_%,$(wildcard \
		tests/scenario/*.c))

obj	    = $(patsubst %.c,$(BUILD)/obj/%.o,$(1))
lib	   := $(BUILD)/libmapilb.a
sim	   := $(BUILD)/libsim.a
daemon	   := $(if $(main_src),$(BUILD)/mapilbd)
tools	   := $(addprefix $(BUILD)/,$(notdir $(tool_dirs)))
bench_bin  := $(patsubst tools/bench/%.c,$(BUILD)/bench/%,$(bench_src))
tests	   := $(patsubst tests/%.c,$(BUILD)/tests/%,$(test_src))
scenarios  := $(filter $(BUILD)/tests/scenario/%,$(tests))
replays	   := $(patsubst tests/%.c,$(BUILD)/tests/%,$(fuzz_src))
bpf_obj	   := $(patsubst src/net/%.c,$(BUILD)/obj/src/net/%.o,$(bpf_src))

.DELETE_ON_ERROR:
ifndef V
.SILENT: # make V=1 shows the commands
endif
.SECONDARY:
.PHONY: all help packages packages-check demo check check-all check-unit \
	check-lint check-conf check-sim check-abuse check-e2e check-e2e-all \
	lint format bench fuzz clean tests objects tidy FORCE

all: $(daemon) $(tools)

help:
	@sed -n 's/^## //p' Makefile

## make            build the daemon and the tools
## make packages   install the Debian packages that building needs
## make demo       a simulated array, the balancer and 200 clients; a minute
## make check      every test, in less than ten minutes
## make check-all  every test in every combination; longer
## make lint       warnings, format, layers, clang-tidy
## make format     write the format
## make bench      side by side with haproxy
## make fuzz       each fuzz target for FUZZ_SECONDS (60)

# Another compiler or other options: everything is compiled again.
options := $(CC) $(CFLAGS)
$(BUILD)/options: FORCE
	@mkdir -p $(@D)
	@echo '$(options)' | cmp -s - $@ || echo '$(options)' >$@

$(BUILD)/obj/%.o: %.c $(BUILD)/options
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) -MMD -MP -c -o $@ $<

# The kernel's program for sk_lookup; embedded by the loader's object.
$(BUILD)/obj/%.bpf.o: %.bpf.c
	@mkdir -p $(@D)
	$(CLANG) -O2 -g -target bpf -Wall -Werror \
		-I/usr/include/$(shell $(CC) -print-multiarch) -Iinclude \
		-MMD -MP -c -o $@ $<

$(BUILD)/obj/src/net/listen_sk_lookup.o: $(bpf_obj)
$(BUILD)/obj/src/net/listen_sk_lookup.o \
$(BUILD)/tidy/src/net/listen_sk_lookup: private CFLAGS += \
	-DSK_LOOKUP_OBJECT='"$(BUILD)/obj/src/net/sk_lookup.bpf.o"'

$(lib): $(call obj,$(lib_src))
	@rm -f $@
	$(AR) rcs $@ $^

# What the two simulators share.
$(sim): $(call obj,$(sim_src))
	@rm -f $@
	$(AR) rcs $@ $^

$(BUILD)/mapilbd: $(call obj,$(main_src)) $(lib)
	$(CC) $(LDFLAGS) -o $@ $^ -liniparser $(LDLIBS)

define tool_rule
$(BUILD)/$(notdir $(1)): $$(call obj,$$(wildcard $(1)/*.c)) $(sim) $(lib)
	$$(CC) $$(LDFLAGS) -o $$@ $$^ $$(LDLIBS)
endef
$(foreach dir,$(tool_dirs),$(eval $(call tool_rule,$(dir))))

$(BUILD)/bench/%: $(BUILD)/obj/tools/bench/%.o $(lib)
	@mkdir -p $(@D)
	$(CC) $(LDFLAGS) -o $@ $^ $(LDLIBS)

# A test sees the daemon's modules too (all but its main function). Every
# allocation can be made to fail: tests/helper/alloc.c wraps the allocator.
WRAP := -Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc,--wrap=aligned_alloc \
	-Wl,--wrap=strdup,--wrap=mmap
$(filter-out $(scenarios),$(tests)): $(BUILD)/tests/%: \
		$(BUILD)/obj/tests/%.o $(call obj,$(help_src)) \
		$(call obj,$(load_src)) $(sim) $(lib)
	@mkdir -p $(@D)
	$(CC) $(LDFLAGS) $(WRAP) -o $@ $^ -lcmocka -liniparser $(LDLIBS)

# Scenarios play on the fake loop, which stands in for the real one.
$(scenarios): $(BUILD)/tests/%: $(BUILD)/obj/tests/%.o \
		$(call obj,$(stage_src)) \
		$(call obj,$(help_src)) $(lib)
	@mkdir -p $(@D)
	$(CC) $(LDFLAGS) $(WRAP) -o $@ $^ -lcmocka $(LDLIBS)

# A fuzz target linked with a main() that replays its seeds.
$(replays): $(BUILD)/tests/%: $(BUILD)/obj/tests/%.o \
		$(BUILD)/obj/tests/fuzz/replay.o $(lib)
	@mkdir -p $(@D)
	$(CC) $(LDFLAGS) -o $@ $^ $(LDLIBS)

tests: $(tests) $(replays)

# What tools/lint asks for, once with each compiler: every source compiled;
# a mark for each that clang-tidy has no complaint about.
host_src   := $(lib_src) $(main_src) $(wildcard tools/*/*.c tests/*/*.c)
objects: $(call obj,$(host_src)) $(bpf_obj)
tidy: $(patsubst %.c,$(BUILD)/tidy/%,$(host_src))

$(BUILD)/tidy/%: $(BUILD)/obj/%.o .clang-tidy
	@mkdir -p $(@D)
	@clang-tidy --quiet $*.c -- $(CFLAGS) 2>/dev/null
	@touch $@

packages:
	@tools/install-packages build run

packages-check: packages
	@tools/install-packages lint test

# What the machine lacks is installed before make looks at a source.
demo: packages
	@$(MAKE) --no-print-directory all
	@tools/demo

# One part after the other, all of them even when one fails.
parts = @failed=; for part in $(1); do \
	echo "== $$part"; \
	$(MAKE) --no-print-directory $$part || failed="$$failed $$part"; done; \
	test -z "$$failed" || { echo "FAILED:$$failed" >&2; exit 1; }

check: packages-check
	$(call parts,check-unit check-lint check-conf check-sim \
		check-abuse check-e2e)

check-all: packages-check
	$(call parts,check-unit check-lint check-conf check-sim \
		check-abuse check-e2e-all)

check-unit:
	@$(MAKE) --no-print-directory -j2 all tests
	@$(MAKE) --no-print-directory -j2 BUILD=$(BUILD)/asan SAN="$(ASAN)" \
		OPT="-O1 -g" all tests
	@tests/run $(BUILD) $(tests) $(replays)
	@tests/run $(BUILD)/asan \
		$(patsubst $(BUILD)/%,$(BUILD)/asan/%,$(tests) $(replays))

check-lint:
	@tests/lint/run

check-conf: all
	@tests/conf/run $(BUILD)/mapilbd

# The simulators, before anything is believed that they say.
check-sim: all
	@$(MAKE) --no-print-directory -j2 BUILD=$(BUILD)/asan SAN="$(ASAN)" \
		OPT="-O1 -g" all
	@tests/sim/run $(BUILD)
	@tests/sim/run $(BUILD)/asan

check-abuse: all
	@$(MAKE) --no-print-directory -j2 BUILD=$(BUILD)/asan SAN="$(ASAN)" \
		OPT="-O1 -g" all
	@tests/abuse/run --bin $(BUILD)/mapilbd --bin $(BUILD)/asan/mapilbd \
		--tools $(BUILD)

check-e2e: all
	@tests/e2e/run --pairwise --binary $(BUILD)/mapilbd

check-e2e-all: all
	@tests/e2e/run --all --binary $(BUILD)/mapilbd

lint: packages
	@tools/install-packages lint
	@tools/lint $(BUILD)

format:
	@git ls-files -co --exclude-standard '*.[ch]' | xargs clang-format -i

bench: packages
	@tools/install-packages bench
	@$(MAKE) --no-print-directory -j2 all $(bench_bin)
	@tools/bench/run --bin $(BUILD)/mapilbd --tools $(BUILD)/bench

FUZZ_SECONDS ?= 60
fuzz: packages-check
	@tests/fuzz/run $(FUZZ_SECONDS)

clean:
	rm -rf $(BUILD)

FORCE:

-include $(shell find $(BUILD)/obj -name '*.d' 2>/dev/null)
