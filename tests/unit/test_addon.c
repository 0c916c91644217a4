#include <stdio.h>

#include "support.h"

/* Lines of add-ons.  The long ones are captured: each key and number of theirs must come out. */

#define OK VERDICT_RECOGNISED
#define NONE VERDICT_NOT_A_METRIC

static struct recording recording;

/* ---- postgres ---- */

static void postgres(void **state)
{
    (void)state;
    check_line("app", "heroku-postgres",
               "source=DATABASE addon=my_db.1 sample#current_transaction=11618849366 sample#db_size=147391814791bytes "
               "sample#memory-total=8027324kB sample#follower-lag-commits=-1 sample#x=0",
               OK,
               "heroku_postgres_current_transaction{addon=\"my_db.1\"} gauge 11618849366\n"
               "heroku_postgres_db_size{addon=\"my_db.1\"} gauge 147391814791\n"
               "heroku_postgres_memory_total{addon=\"my_db.1\"} gauge 8219979776\n"
               "heroku_postgres_follower_lag_commits{addon=\"my_db.1\"} gauge -1\n"
               "heroku_postgres_x{addon=\"my_db.1\"} gauge 0\n");
    check_line("app", "heroku-postgres", "source=DATABASE sample#tables=43", OK,
               "heroku_postgres_tables{app=\"my-app\",source=\"DATABASE\"} gauge 43\n");
    check_line("app", "heroku-postgres", "sample#tables=43 addon=late", OK,
               "heroku_postgres_tables{addon=\"late\"} gauge 43\n");
    /* One bad value costs itself. */
    check_line("app", "heroku-postgres", "addon=a sample#a=5% sample#b=NaN sample#c=1", OK,
               "reject value\nreject value\nheroku_postgres_c{addon=\"a\"} gauge 1\n");
    check_line("app", "heroku-postgres", "no samples here", NONE, "");
    check_line("app", "heroku-proxy", "source=HEROKU_POSTGRESQL_RED addon=a sample#tables=1", OK,
               "heroku_postgres_tables{addon=\"a\"} gauge 1\n");
    /* The server's log and the app's own text are not samples. */
    check_line("app", "postgres.1105947", "source=HEROKU_POSTGRESQL_RED addon=a sample#tables=1", NONE, "");
    check_line("app", "web.1", "source=HEROKU_POSTGRESQL_RED addon=a sample#tables=1", OK,
               "l2met_tables{app=\"my-app\",process=\"web.1\",source=\"HEROKU_POSTGRESQL_RED\"} gauge 1\n");
    check_line("app", "api", "source=HEROKU_POSTGRESQL_RED addon=a sample#tables=1", NONE,
               ""); /* lines of a release command */
}

/* On request, the database says whose it is. */
static void with_app(void **state)
{
    (void)state;
    recorded.context.addon_app = true;
    check_line("app", "heroku-postgres", "source=DATABASE addon=a sample#tables=1", OK,
               "heroku_postgres_tables{addon=\"a\",app=\"my-app\"} gauge 1\n");
    check_line("app", "heroku-redis", "source=REDIS addon=a sample#hit-rate=1", OK,
               "heroku_redis_hit_rate{addon=\"a\",app=\"my-app\"} gauge 1\n");
    check_line("app", "heroku-kafka", "source=KAFKA sample#x=1", OK,
               "heroku_kafka_x{app=\"my-app\",source=\"KAFKA\"} gauge 1\n");
    recorded.context.addon_app = false;
}

static void of_postgres(const char *labels, const char *message, const char *expected)
{
    check_gauges("heroku-postgres", message, "heroku_postgres", labels, expected);
}

static void captured_postgres(void **state)
{
    (void)state;
    of_postgres("addon=\"postgresql-curly-12345\"",
                "source=DATABASE addon=postgresql-curly-12345 sample#current_transaction=1873 "
                "sample#db_size=26219348792bytes sample#db-size-percentage-used=0.02767 sample#tables=13 "
                "sample#active-connections=92 sample#waiting-connections=1 sample#max-connections=200 "
                "sample#connections-percentage-used=0.46 sample#index-cache-hit-rate=0.99723 "
                "sample#table-cache-hit-rate=0.99118 sample#load-avg-1m=0.39 sample#load-avg-5m=0.325 "
                "sample#load-avg-15m=0.3 sample#read-iops=0 sample#write-iops=112.73 sample#max-iops=3000 "
                "sample#iops-percentage-used=0.03758 sample#tmp-disk-used=543600640 "
                "sample#tmp-disk-available=72435191808 sample#memory-total=4045060kB sample#memory-free=159696kB "
                "sample#memory-percentage-used=0.96052 sample#memory-cached=3707032kB sample#memory-postgres=182592kB",
                "current_transaction 1873, db_size 26219348792, db_size_percentage_used 0.02767, tables 13, "
                "active_connections 92, waiting_connections 1, max_connections 200, connections_percentage_used "
                "0.46, index_cache_hit_rate 0.99723, table_cache_hit_rate 0.99118, load_avg_1m 0.39, load_avg_5m "
                "0.325, load_avg_15m 0.3, read_iops 0, write_iops 112.73, max_iops 3000, iops_percentage_used "
                "0.03758, tmp_disk_used 543600640, tmp_disk_available 72435191808, memory_total 4142141440, "
                "memory_free 163528704, memory_percentage_used 0.96052, memory_cached 3796000768, memory_postgres "
                "186974208");
    of_postgres("addon=\"postgresql-reticulated-12345\"",
                "source=HEROKU_POSTGRESQL_YELLOW addon=postgresql-reticulated-12345 "
                "sample#current_transaction=19028263 sample#db_size=10311979679bytes sample#tables=1443 "
                "sample#active-connections=11 sample#waiting-connections=0 sample#index-cache-hit-rate=0.99814 "
                "sample#table-cache-hit-rate=0.96729 sample#load-avg-1m=0 sample#load-avg-5m=0 sample#load-avg-15m=0 "
                "sample#read-iops=0 sample#write-iops=0.21311 sample#tmp-disk-used=543600640 "
                "sample#tmp-disk-available=72435191808 sample#memory-total=8036340kB sample#memory-free=80640kB "
                "sample#memory-cached=7319340kB sample#memory-postgres=23380kB "
                "sample#wal-percentage-used=0.06427136779541504",
                "current_transaction 19028263, db_size 10311979679, tables 1443, active_connections 11, "
                "waiting_connections 0, index_cache_hit_rate 0.99814, table_cache_hit_rate 0.96729, load_avg_1m 0, "
                "load_avg_5m 0, load_avg_15m 0, read_iops 0, write_iops 0.21311, tmp_disk_used 543600640, "
                "tmp_disk_available 72435191808, memory_total 8229212160, memory_free 82575360, memory_cached "
                "7495004160, memory_postgres 23941120, wal_percentage_used 0.06427136779541504");
    of_postgres("addon=\"postgresql-opaque-12345\"",
                "source=HEROKU_POSTGRESQL_GREEN addon=postgresql-opaque-12345 sample#current_transaction=11618849366 "
                "sample#db_size=147391814791bytes sample#tables=67 sample#active-connections=41 "
                "sample#waiting-connections=0 sample#index-cache-hit-rate=0.99625 "
                "sample#table-cache-hit-rate=0.99686 sample#load-avg-1m=0.3575 sample#load-avg-5m=0.3275 "
                "sample#load-avg-15m=0.2475 sample#read-iops=302.48 sample#write-iops=351.78 "
                "sample#tmp-disk-used=542765056 sample#tmp-disk-available=72436027392 sample#memory-total=31328356kB "
                "sample#memory-free=242328kB sample#memory-cached=29518708kB sample#memory-postgres=367856kB "
                "sample#wal-percentage-used=0.07767112123673295",
                "current_transaction 11618849366, db_size 147391814791, tables 67, active_connections 41, "
                "waiting_connections 0, index_cache_hit_rate 0.99625, table_cache_hit_rate 0.99686, load_avg_1m "
                "0.3575, load_avg_5m 0.3275, load_avg_15m 0.2475, read_iops 302.48, write_iops 351.78, tmp_disk_used "
                "542765056, tmp_disk_available 72436027392, memory_total 32080236544, memory_free 248143872, "
                "memory_cached 30227156992, memory_postgres 376684544, wal_percentage_used 0.07767112123673295");
    of_postgres("addon=\"postgresql-contoured-12345\"",
                "source=HEROKU_POSTGRESQL_PURPLE addon=postgresql-contoured-12345 "
                "sample#current_transaction=11618856301 sample#db_size=147391888519bytes sample#tables=67 "
                "sample#active-connections=25 sample#waiting-connections=0 sample#index-cache-hit-rate=0.9993 "
                "sample#table-cache-hit-rate=0.99643 sample#load-avg-1m=0.345 sample#load-avg-5m=0.23 "
                "sample#load-avg-15m=0.205 sample#read-iops=0.15929 sample#write-iops=371.27 "
                "sample#tmp-disk-used=543600640 sample#tmp-disk-available=72435191808 sample#memory-total=16085844kB "
                "sample#memory-free=243400kB sample#memory-cached=14718708kB sample#memory-postgres=187144kB "
                "sample#follower-lag-commits=10441 sample#wal-percentage-used=0.0801535074510631",
                "current_transaction 11618856301, db_size 147391888519, tables 67, active_connections 25, "
                "waiting_connections 0, index_cache_hit_rate 0.9993, table_cache_hit_rate 0.99643, load_avg_1m "
                "0.345, load_avg_5m 0.23, load_avg_15m 0.205, read_iops 0.15929, write_iops 371.27, tmp_disk_used "
                "543600640, tmp_disk_available 72435191808, memory_total 16471904256, memory_free 249241600, "
                "memory_cached 15071956992, memory_postgres 191635456, follower_lag_commits 10441, "
                "wal_percentage_used 0.0801535074510631");
    of_postgres("addon=\"postgres-follower-tlw-lookout-production\"",
                "source=HEROKU_POSTGRESQL_GRAY addon=postgres-follower-tlw-lookout-production "
                "sample#current_transaction=70868045 sample#db_size=49030205999bytes sample#tables=243 "
                "sample#active-connections=18 sample#waiting-connections=0 sample#index-cache-hit-rate=0.9875 "
                "sample#table-cache-hit-rate=0.63474 sample#load-avg-1m=1.06 sample#load-avg-5m=1.59 "
                "sample#load-avg-15m=1.175 sample#read-iops=1830.3 sample#write-iops=23.457 "
                "sample#tmp-disk-used=543633408 sample#tmp-disk-available=72435159040 sample#memory-total=3944484kB "
                "sample#memory-free=92388kB sample#memory-cached=3261980kB sample#memory-postgres=165416kB "
                "sample#follower-lag-commits=9 sample#wal-percentage-used=0.06451981873320072",
                "current_transaction 70868045, db_size 49030205999, tables 243, active_connections 18, "
                "waiting_connections 0, index_cache_hit_rate 0.9875, table_cache_hit_rate 0.63474, load_avg_1m 1.06, "
                "load_avg_5m 1.59, load_avg_15m 1.175, read_iops 1830.3, write_iops 23.457, tmp_disk_used 543633408, "
                "tmp_disk_available 72435159040, memory_total 4039151616, memory_free 94605312, memory_cached "
                "3340267520, memory_postgres 169385984, follower_lag_commits 9, wal_percentage_used "
                "0.06451981873320072");
    of_postgres("addon=\"postgresql-defined-24903\"",
                "source=DATABASE addon=postgresql-defined-24903 sample#current_transaction=122163235 "
                "sample#db_size=90755887bytes sample#tables=4 sample#active-connections=15 "
                "sample#waiting-connections=0 sample#index-cache-hit-rate=0.99997 "
                "sample#table-cache-hit-rate=0.99922 sample#load-avg-1m=0.285 sample#load-avg-5m=0.345 "
                "sample#load-avg-15m=0.39 sample#read-iops=0 sample#write-iops=2.597 sample#tmp-disk-used=543633408 "
                "sample#tmp-disk-available=72435159040 sample#memory-total=3944484kB sample#memory-free=74980kB "
                "sample#memory-cached=2984436kB sample#memory-postgres=33960kB "
                "sample#wal-percentage-used=0.06650439708481809",
                "current_transaction 122163235, db_size 90755887, tables 4, active_connections 15, "
                "waiting_connections 0, index_cache_hit_rate 0.99997, table_cache_hit_rate 0.99922, load_avg_1m "
                "0.285, load_avg_5m 0.345, load_avg_15m 0.39, read_iops 0, write_iops 2.597, tmp_disk_used "
                "543633408, tmp_disk_available 72435159040, memory_total 4039151616, memory_free 76779520, "
                "memory_cached 3056062464, memory_postgres 34775040, wal_percentage_used 0.06650439708481809");
    of_postgres("addon=\"postgresql-spherical-57847\"",
                "source=DATABASE addon=postgresql-spherical-57847 sample#current_transaction=1879 "
                "sample#db_size=10678831bytes sample#tables=3 sample#active-connections=22 "
                "sample#waiting-connections=0 sample#index-cache-hit-rate=0.99313 "
                "sample#table-cache-hit-rate=0.98474 sample#load-avg-1m=0 sample#load-avg-5m=0 sample#load-avg-15m=0 "
                "sample#read-iops=0 sample#write-iops=0.074205 sample#tmp-disk-used=542765056 "
                "sample#tmp-disk-available=72436027392 sample#memory-total=4023192kB sample#memory-free=178744kB "
                "sample#memory-cached=3279752kB sample#memory-postgres=53508kB "
                "sample#wal-percentage-used=0.06477739851760235",
                "current_transaction 1879, db_size 10678831, tables 3, active_connections 22, waiting_connections 0, "
                "index_cache_hit_rate 0.99313, table_cache_hit_rate 0.98474, load_avg_1m 0, load_avg_5m 0, "
                "load_avg_15m 0, read_iops 0, write_iops 0.074205, tmp_disk_used 542765056, tmp_disk_available "
                "72436027392, memory_total 4119748608, memory_free 183033856, memory_cached 3358466048, "
                "memory_postgres 54792192, wal_percentage_used 0.06477739851760235");
    of_postgres("addon=\"postgres-parallel-38743\"",
                "source=DATABASE addon=postgres-parallel-38743 sample#current_transaction=1947 "
                "sample#db_size=8945836.0bytes sample#tables=17 sample#active-connections=3 "
                "sample#waiting-connections=0 sample#index-cache-hit-rate=0.99396 "
                "sample#table-cache-hit-rate=0.99828 sample#load-avg-1m=0.02 sample#load-avg-5m=0.005 "
                "sample#load-avg-15m=0 sample#read-iops=0 sample#write-iops=0.011458 sample#memory-total=4045592.0kB "
                "sample#memory-free=1560288.0kB sample#memory-cached=1982288.0kB sample#memory-postgres=21292kB",
                "current_transaction 1947, db_size 8945836, tables 17, active_connections 3, waiting_connections 0, "
                "index_cache_hit_rate 0.99396, table_cache_hit_rate 0.99828, load_avg_1m 0.02, load_avg_5m 0.005, "
                "load_avg_15m 0, read_iops 0, write_iops 0.011458, memory_total 4142686208, memory_free 1597734912, "
                "memory_cached 2029862912, memory_postgres 21803008");
    of_postgres("app=\"my-app\",source=\"DATABASE\"",
                "source=DATABASE sample#current_transaction=15365 sample#db_size=4347350804bytes sample#tables=43 "
                "sample#active-connections=6 sample#waiting-connections=0 sample#index-cache-hit-rate=0.97116 "
                "sample#table-cache-hit-rate=0.73958 sample#load-avg-1m=0.05 sample#load-avg-5m=0.03 "
                "sample#load-avg-15m=0.035 sample#read-iops=0 sample#write-iops=112.73 "
                "sample#memory-total=15405636.0kB sample#memory-free=214004kB sample#memory-cached=14392920.0kB "
                "sample#memory-postgres=181644kB",
                "current_transaction 15365, db_size 4347350804, tables 43, active_connections 6, waiting_connections "
                "0, index_cache_hit_rate 0.97116, table_cache_hit_rate 0.73958, load_avg_1m 0.05, load_avg_5m 0.03, "
                "load_avg_15m 0.035, read_iops 0, write_iops 112.73, memory_total 15775371264, memory_free "
                "219140096, memory_cached 14738350080, memory_postgres 186003456");
    of_postgres("app=\"my-app\",source=\"HEROKU_POSTGRESQL_VIOLET\"",
                "source=HEROKU_POSTGRESQL_VIOLET sample#current_transaction=1873 sample#db_size=26219348792bytes "
                "sample#tables=13 sample#active-connections=92 sample#waiting-connections=1 "
                "sample#index-cache-hit-rate=0.99723 sample#table-cache-hit-rate=0.99118 sample#load-avg-1m=1.42 "
                "sample#load-avg-5m=1.45 sample#load-avg-15m=1.34 sample#read-iops=0 sample#write-iops=2.875 "
                "sample#memory-total=1692568kB sample#memory-free=73876kB sample#memory-cached=1344128kB "
                "sample#memory-postgres=22388kB",
                "current_transaction 1873, db_size 26219348792, tables 13, active_connections 92, "
                "waiting_connections 1, index_cache_hit_rate 0.99723, table_cache_hit_rate 0.99118, load_avg_1m "
                "1.42, load_avg_5m 1.45, load_avg_15m 1.34, read_iops 0, write_iops 2.875, memory_total 1733189632, "
                "memory_free 75649024, memory_cached 1376387072, memory_postgres 22925312");
    of_postgres("addon=\"postgresql-transparent-31333\"",
                "source=HEROKU_POSTGRESQL_COBALT addon=postgresql-transparent-31333 sample#active-connections=27 "
                "sample#max-connections=200 sample#db-size-percentage-used=0.08015 "
                "sample#memory-percentage-used=0.97971",
                "active_connections 27, max_connections 200, db_size_percentage_used 0.08015, memory_percentage_used "
                "0.97971");
}

/* ---- redis ---- */

static void redis(void **state)
{
    (void)state;
    check_line("app", "heroku-redis", "source=HEROKU_REDIS_MAUVE sample#hit-rate=1 sample#new-key=2MB sample#bad=x", OK,
               "heroku_redis_hit_rate{app=\"my-app\",source=\"HEROKU_REDIS_MAUVE\"} gauge 1\n"
               "heroku_redis_new_key{app=\"my-app\",source=\"HEROKU_REDIS_MAUVE\"} gauge 2097152\n"
               "reject value\n");
    /* With the head that heroku logs shows, once more. */
    check_line("app", "heroku-redis", "app[heroku-redis]: source=REDIS addon=redis-a sample#hit-rate=1", OK,
               "heroku_redis_hit_rate{addon=\"redis-a\"} gauge 1\n");
    check_line("app", "heroku-redis", "source=REDIS addon=redis-a", NONE, "");
    check_line("app", "redis-metric-98068", "source=REDIS addon=redis-a sample#hit-rate=1", NONE, "");
}

static void of_redis(const char *labels, const char *message, const char *expected)
{
    check_gauges("heroku-redis", message, "heroku_redis", labels, expected);
}

static void captured_redis(void **state)
{
    (void)state;
    of_redis("addon=\"redis-rugged-24473\"",
             "source=REDIS addon=redis-rugged-24473 sample#active-connections=4 sample#max-connections=18 "
             "sample#connection-percentage-used=0.22222 sample#load-avg-1m=1.51 sample#load-avg-5m=1.09 "
             "sample#load-avg-15m=1.135 sample#read-iops=0 sample#write-iops=0 sample#max-iops=3000 "
             "sample#iops-percentage-used=0.00000 sample#memory-total=16167800kB sample#memory-free=10693340kB "
             "sample#memory-percentage-used=0.33860 sample#memory-cached=979072kB "
             "sample#memory-redis=5116080bytes sample#hit-rate=0.0013079 sample#evicted-keys=0",
             "active_connections 4, max_connections 18, connection_percentage_used 0.22222, load_avg_1m 1.51, "
             "load_avg_5m 1.09, load_avg_15m 1.135, read_iops 0, write_iops 0, max_iops 3000, "
             "iops_percentage_used 0, memory_total 16555827200, memory_free 10949980160, memory_percentage_used "
             "0.3386, memory_cached 1002569728, memory_redis 5116080, hit_rate 0.0013079, evicted_keys 0");
    of_redis("addon=\"redis-pointy-52865\"",
             "source=REDIS addon=redis-pointy-52865 sample#active-connections=8 sample#max-connections=38 "
             "sample#connection-percentage-used=0.21053 sample#load-avg-1m=0.06 sample#read-iops=12.038 "
             "sample#memory-total=16041732kB sample#memory-percentage-used=0.41354 "
             "sample#memory-redis=17742928bytes sample#hit-rate=0.69551 sample#evicted-keys=0",
             "active_connections 8, max_connections 38, connection_percentage_used 0.21053, load_avg_1m 0.06, "
             "read_iops 12.038, memory_total 16426733568, memory_percentage_used 0.41354, memory_redis 17742928, "
             "hit_rate 0.69551, evicted_keys 0");
    of_redis("addon=\"redis-trapezoidal-46536\"",
             "source=HEROKU_REDIS_MAUVE addon=redis-trapezoidal-46536 sample#active-connections=20 "
             "sample#max-connections=78",
             "active_connections 20, max_connections 78");
    of_redis("addon=\"redis-metric-98068\"",
             "source=REDIS addon=redis-metric-98068 sample#active-connections=404 sample#load-avg-1m=0.115 "
             "sample#load-avg-5m=0.075 sample#load-avg-15m=0.07 sample#read-iops=0 sample#write-iops=54.758 "
             "sample#memory-total=15405660kB sample#memory-free=12639520kB sample#memory-cached=1911724kB "
             "sample#memory-redis=343477584bytes sample#hit-rate=0.7 sample#evicted-keys=0",
             "active_connections 404, load_avg_1m 0.115, load_avg_5m 0.075, load_avg_15m 0.07, read_iops 0, "
             "write_iops 54.758, memory_total 15775395840, memory_free 12942868480, memory_cached 1957605376, "
             "memory_redis 343477584, hit_rate 0.7, evicted_keys 0");
    of_redis("addon=\"redis-qqqqqqq-95446\"",
             "source=REDIS addon=redis-qqqqqqq-95446 sample#active-connections=2 sample#load-avg-1m=4.3 "
             "sample#load-avg-5m=4.42 sample#load-avg-15m=4.385 sample#read-iops=0 sample#write-iops=0 "
             "sample#memory-total=16070676kB sample#memory-free=8977260kB sample#memory-cached=3648404kB "
             "sample#memory-redis=742392bytes sample#hit-rate=0.015762 sample#evicted-keys=0",
             "active_connections 2, load_avg_1m 4.3, load_avg_5m 4.42, load_avg_15m 4.385, read_iops 0, "
             "write_iops 0, memory_total 16456372224, memory_free 9192714240, memory_cached 3735965696, "
             "memory_redis 742392, hit_rate 0.015762, evicted_keys 0");
    of_redis("addon=\"redis-closed-12345\"",
             "source=REDIS addon=redis-closed-12345 sample#active-connections=1 sample#load-avg-1m=0.145 "
             "sample#load-avg-5m=0.145 sample#load-avg-15m=0.155 sample#read-iops=0 sample#write-iops=0 "
             "sample#memory-total=16082928kB sample#memory-free=11453204kB sample#memory-cached=2528244kB "
             "sample#memory-redis=460192bytes sample#hit-rate=0.92675 sample#evicted-keys=0",
             "active_connections 1, load_avg_1m 0.145, load_avg_5m 0.145, load_avg_15m 0.155, read_iops 0, "
             "write_iops 0, memory_total 16468918272, memory_free 11728080896, memory_cached 2588921856, "
             "memory_redis 460192, hit_rate 0.92675, evicted_keys 0");
    of_redis("addon=\"redis-defined-55463\"",
             "source=REDIS addon=redis-defined-55463 sample#active-connections=1 sample#load-avg-1m=0.895 "
             "sample#load-avg-5m=0.67 sample#load-avg-15m=0.49 sample#read-iops=0 sample#write-iops=0.16484 "
             "sample#memory-total=16082924kB sample#memory-free=9133576kB sample#memory-cached=3848904kB "
             "sample#memory-redis=464416bytes sample#hit-rate=1 sample#evicted-keys=0",
             "active_connections 1, load_avg_1m 0.895, load_avg_5m 0.67, load_avg_15m 0.49, read_iops 0, "
             "write_iops 0.16484, memory_total 16468914176, memory_free 9352781824, memory_cached 3941277696, "
             "memory_redis 464416, hit_rate 1, evicted_keys 0");
    of_redis("addon=\"redis-rectangular-91737\"",
             "source=REDIS addon=redis-rectangular-91737 sample#active-connections=1 sample#load-avg-1m=0.32 "
             "sample#load-avg-5m=0.26 sample#load-avg-15m=0.235 sample#read-iops=0 sample#write-iops=0 "
             "sample#memory-total=16085852kB sample#memory-free=10841220kB sample#memory-cached=2484884kB "
             "sample#memory-redis=334888bytes sample#hit-rate=1 sample#evicted-keys=0",
             "active_connections 1, load_avg_1m 0.32, load_avg_5m 0.26, load_avg_15m 0.235, read_iops 0, "
             "write_iops 0, memory_total 16471912448, memory_free 11101409280, memory_cached 2544521216, "
             "memory_redis 334888, hit_rate 1, evicted_keys 0");
    of_redis("addon=\"redis-lively-37272\"",
             "source=REDIS addon=redis-lively-37272 sample#active-connections=14 sample#load-avg-1m=0.505 "
             "sample#load-avg-5m=0.87 sample#load-avg-15m=0.77 sample#read-iops=0 sample#write-iops=38.19 "
             "sample#memory-total=15664212kB sample#memory-free=9796400kB sample#memory-cached=3751668kB "
             "sample#memory-redis=2131576bytes sample#hit-rate=0.78062 sample#evicted-keys=0",
             "active_connections 14, load_avg_1m 0.505, load_avg_5m 0.87, load_avg_15m 0.77, read_iops 0, "
             "write_iops 38.19, memory_total 16040153088, memory_free 10031513600, memory_cached 3841708032, "
             "memory_redis 2131576, hit_rate 0.78062, evicted_keys 0");
    of_redis("app=\"my-app\",source=\"REDIS\"",
             "source=REDIS sample#active-connections=1 sample#load-avg-1m=0.165 sample#load-avg-5m=0.11 "
             "sample#load-avg-15m=0.095 sample#read-iops=0 sample#write-iops=0 sample#memory-total=15664332.0kB "
             "sample#memory-free=12331548.0kB sample#memory-cached=1262536.0kB sample#memory-redis=278024bytes "
             "sample#hit-rate=1 sample#evicted-keys=0",
             "active_connections 1, load_avg_1m 0.165, load_avg_5m 0.11, load_avg_15m 0.095, read_iops 0, "
             "write_iops 0, memory_total 16040275968, memory_free 12627505152, memory_cached 1292836864, "
             "memory_redis 278024, hit_rate 1, evicted_keys 0");
    of_redis("addon=\"redis-cubed-98704\"",
             "source=REDIS addon=redis-cubed-98704 sample#active-connections=27 sample#load-avg-1m=0 "
             "sample#load-avg-5m=0.015 sample#load-avg-15m=0.01 sample#read-iops=0 sample#write-iops=0.11282 "
             "sample#memory-total=15664876.0kB sample#memory-free=12688956.0kB sample#memory-cached=1762284.0kB "
             "sample#memory-redis=1908016bytes sample#hit-rate=0.0096774 sample#evicted-keys=0",
             "active_connections 27, load_avg_1m 0, load_avg_5m 0.015, load_avg_15m 0.01, read_iops 0, write_iops "
             "0.11282, memory_total 16040833024, memory_free 12993490944, memory_cached 1804578816, memory_redis "
             "1908016, hit_rate 0.0096774, evicted_keys 0");
}

/* ---- pgbouncer ---- */

#define POOL(key) "heroku_pgbouncer_" key "{addon=\"postgresql-contoured-12345\"} gauge "

static void pgbouncer(void **state)
{
    (void)state;
    check_line("app", "heroku-pgbouncer",
               "source=pgbouncer addon=postgresql-contoured-12345 sample#client_active=56 sample#client_waiting=0 "
               "sample#server_active=0 sample#server_idle=16 sample#max_wait=0 sample#avg_query=8751 "
               "sample#avg_recv=37568 sample#avg_sent=1339005",
               OK,
               POOL("client_active") "56\n" POOL("client_waiting") "0\n" POOL("server_active") "0\n" POOL("server_idle") "16\n" POOL("max_wait_seconds") "0\n" POOL(
                   "avg_query_seconds") "0.008751\n" POOL("received_bytes_per_second") "37568\n" POOL("sent_bytes_per_"
                                                                                                      "second") "133900"
                                                                                                                "5\n");
    /* Units that are written out win; keys to come appear by rule. */
    check_line("app", "heroku-pgbouncer",
               "addon=postgresql-contoured-12345 sample#max_wait=3ms sample#avg_query=7ms sample#avg_wait=12 "
               "sample#avg_recv=2kB",
               OK,
               POOL("max_wait_seconds") "0.003\n" POOL("avg_query_seconds") "0.007\n" POOL("avg_wait") "12\n" POOL(
                   "received_bytes_per_second") "2048\n");
    check_line("app", "heroku-pgbouncer", "source=pgbouncer sample#max_wait=1", OK,
               "heroku_pgbouncer_max_wait_seconds{app=\"my-app\",source=\"pgbouncer\"} gauge 1\n");
    check_line("app", "heroku-pgbouncer", "source=pgbouncer addon=a", NONE, "");
}

/* ---- others ---- */

static void addon(void **state)
{
    (void)state;
    check_line("app", "heroku-kafka", "source=KAFKA addon=kafka-a sample#bytes-in=5kB sample#lag=1s", OK,
               "heroku_kafka_bytes_in{addon=\"kafka-a\"} gauge 5120\nheroku_kafka_lag{addon=\"kafka-a\"} gauge 1\n");
    check_line("app", "heroku-search-engine", "source=S sample#x=1", OK,
               "heroku_search_engine_x{app=\"my-app\",source=\"S\"} gauge 1\n");
    /* None of them gets the names of another family. */
    static const char *const taken[][2] = {
        {"heroku-router", "router"},
        {"heroku-router-service", "router_service"},
        {"heroku-dyno", "dyno"},
        {"heroku-formation", "formation"},
        {"heroku-release", "release"},
        {"heroku-releases", "releases"},
        {"heroku-api-events", "api_events"},
        {"heroku-postgres-log", "postgres_log"},
        {"heroku-redis-x", "redis_x"},
        {"heroku-pgbouncer-x", "pgbouncer_x"},
        {"heroku-addon-kafka", "addon_kafka"},
    };
    for (size_t i = 0; i < sizeof taken / sizeof taken[0]; i++) {
        char expected[128];
        sprintf(expected, "heroku_addon_%s_errors{addon=\"a\"} gauge 1\n", taken[i][1]);
        check_line("app", taken[i][0], "addon=a sample#errors=1", OK, expected);
    }
    check_line("app", "heroku-kafka", "Broker started", NONE, "");
    check_line("app", "heroku-", "addon=a sample#x=1", NONE, "");
    check_line("app", "heroku-Kafka", "addon=a sample#x=1", NONE, "");
    check_line("app", "heroku-ka.fka", "addon=a sample#x=1", NONE, "");
    check_line("heroku", "heroku-kafka", "addon=a sample#x=1", NONE, "");
    check_line("app", "kafka", "addon=a sample#x=1", NONE, "");
    check_line("app", "heroku-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "sample#x=1", NONE,
               "");
}

/* ---- all ---- */

static const char *cut_procid;

static void check_cut(struct slice cut)
{
    enum verdict verdict = read_message(&recording, "app", cut_procid, cut);
    assert_int_equal(verdict, memmem(cut.at, cut.length, "sample#", 7) != NULL ? OK : NONE);
    for (const char *line = recording.text; *line != '\0'; line = strchr(line, '\n') + 1)
        assert_true(strncmp(line, "heroku_", 7) == 0 || strncmp(line, "reject value\n", 13) == 0 ||
                    strncmp(line, "no identity\n", 12) == 0);
}

static void cuts(void **state)
{
    (void)state;
    static const char *const procids[] = {"heroku-postgres", "heroku-redis", "heroku-pgbouncer", "heroku-kafka"};
    for (size_t i = 0; i < sizeof procids / sizeof procids[0]; i++) {
        cut_procid = procids[i];
        each_cut(
            SLICE("source=REDIS addon=redis-a sample#max_wait=12ms sample#avg_query=8751 sample#memory-total=1.5kB "
                  "sample#new=1"),
            check_cut);
        each_cut(SLICE("sample#tables=1 source=REDIS"), check_cut);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(postgres), cmocka_unit_test(with_app),       cmocka_unit_test(captured_postgres),
        cmocka_unit_test(redis),    cmocka_unit_test(captured_redis), cmocka_unit_test(pgbouncer),
        cmocka_unit_test(addon),    cmocka_unit_test(cuts),
    };
    return cmocka_run_group_tests_name("add-ons", tests, NULL, NULL);
}
