/* What an app on Cloud Foundry reports as metrics of its own, through the metric registrar or an agent; and the times
 * of requests, which the router reports:
 *
 *     [gauge@47450 name="queue_wait" value="250" unit="ms"]        cf_app_queue_wait_seconds           gauge
 *     [counter@47450 name="orders" total="99" delta="1"]           cf_app_orders_total                 counter
 *     [timer@47450 name="checkout" start="..." stop="..."]         cf_app_checkout_seconds             histogram
 *     [event@47450 title="App crashed" body="..."]                 cf_app_events_total{title}          counter
 *     [timer@47450 name="http" start="..." stop="..."]             cf_http_timer_seconds{method,status} histogram
 *
 * Units that we know are converted to base units: ns us ms s seconds -> _seconds; bytes B KB MB ... -> _bytes (of
 * 1024); percentage -> _ratio.  Any other is added to the name as it is.
 *
 * Tags become labels, but for those that say whose the metric is or which machine sent it.  An app may choose only so
 * many names: MAX_L2MET_NAMES. */
#ifndef FAMILY_CF_APP_H
#define FAMILY_CF_APP_H

#include "families/family.h"

extern const struct family cf_app_family;

#endif
