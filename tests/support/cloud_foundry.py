"""Messages as Cloud Foundry's agents write them."""
import datetime

HEADERS = {"Content-Type": "text/plain", "User-Agent": "fasthttp"}


class App:
    """An app in a space, under a GUID, at a time that goes on by itself."""

    def __init__(self, name="shop", guid="3517892b-f358-4da9-9282-e149eaa8dc96", organization="acme", space="prod"):
        self.name, self.guid, self.organization, self.space = name, guid, organization, space
        self.time = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(hours=1)

    def message(self, procid, data="", text="", tags="", metadata=True):
        self.time += datetime.timedelta(milliseconds=10)
        own = 'app_id="%s" app_name="%s" organization_name="%s" space_name="%s"' % (self.guid, self.name, self.organization, self.space)
        data += "[tags@47450 %s%s]" % (own, tags) if metadata else ""
        return ("<14>1 %s+00:00 %s.%s.%s %s [%s] - %s %s\n" % (self.time.strftime("%Y-%m-%dT%H:%M:%S.%f"), self.organization, self.space, self.name, self.guid,
                                                              procid, data or "-", text)).encode()

    def of_instance(self, procid, index, instance, data="", text="", kind="web", metadata=True):
        tags = ' instance_id="%d" process_instance_id="%s" process_type="%s"' % (index, instance, kind)
        return self.message(procid, data, text, tags, metadata)

    def gauge(self, index, instance, name, value, unit, **more):
        return self.of_instance(str(index), index, instance, '[gauge@47450 name="%s" value="%s" unit="%s"]' % (name, value, unit), **more)

    def cell(self, index, instance, what, **more):
        return self.of_instance("CELL/%d" % index, index, instance, text="Cell bed4ba78 " + what % instance, **more)

    def created(self, index, instance, **more):
        return self.cell(index, instance, "successfully created container for instance %s", **more)

    def destroyed(self, index, instance, **more):
        return self.cell(index, instance, "stopping instance %s", **more) + self.cell(index, instance, "destroying container for instance %s", **more)

    def api(self, text, **more):
        return self.message("API/0", text=text, **more)

    def crashed(self, index, instance, kind="WEB"):
        return self.api('App instance exited with guid %s payload: {"instance"=>"%s", "index"=>%d, "reason"=>"CRASHED", "exit_description"=>"APP/PROC/%s: Exited with status 1"}'
                        % (self.guid, instance, index, kind))

    def request(self, method="GET", status=200, error="-", seconds=0.25):
        return self.message("RTR/1", text='shop.example.com - [2026-02-03T04:05:06.123456789Z] "%s / HTTP/1.1" %d 30 109 "-" "curl/7.43.0" "10.0.2.150:4070" "10.0.48.66:60815" '
                            'x_forwarded_for:"198.51.100.120" x_forwarded_proto:"https" vcap_request_id:"87f9d899" response_time:%f gorouter_time:0.000123 app_id:"%s" app_index:"0" '
                            'instance_id:"a" x_cf_routererror:"%s"' % (method, status, seconds, self.guid, error), tags=' process_type="web"')
