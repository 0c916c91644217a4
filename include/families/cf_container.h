/* What a Cloud Foundry cell says about the container of an instance, one message for each number, every 15 seconds:
 *
 *     [0] - [gauge@47450 name="cpu" value="12.5" unit="percentage"][tags@47450 ...]
 *     [0] - [gauge@47450 name="memory" value="2.68435456e+08" unit="bytes"][tags@47450 ...]
 *     [0] - [gauge@47450 name="container_age" value="3.6e+12" unit="nanoseconds"][tags@47450 ...]
 *     [0] - [counter@47450 name="rx_bytes" total="1000" delta="1000"][tags@47450 ...]
 *
 *     cf_container_cpu_ratio{app,process_type,instance_index}               gauge
 *     cf_container_memory_bytes, ...                                        gauges
 *     cf_container_cpu_seconds_total, ..._network_receive_bytes_total, ...  counters since the container's start
 *
 * An instance that was replaced and still runs (a rolling or blue-green deploy) counts no more: see cf_series.h. */
#ifndef FAMILY_CF_CONTAINER_H
#define FAMILY_CF_CONTAINER_H

#include "families/family.h"

extern const struct family cf_container_family;

#endif
