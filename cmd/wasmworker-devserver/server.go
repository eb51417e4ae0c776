package main

import (
	"context"
	"crypto/rand"
	stdsql "database/sql"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/netip"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	uiserver "github.com/temporalio/ui-server/v2/server"
	uiconfig "github.com/temporalio/ui-server/v2/server/config"
	uioptions "github.com/temporalio/ui-server/v2/server/server_options"
	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/server/chasm/lib/activity"
	"go.temporal.io/server/common/authorization"
	"go.temporal.io/server/common/cluster"
	"go.temporal.io/server/common/config"
	"go.temporal.io/server/common/dynamicconfig"
	"go.temporal.io/server/common/log"
	"go.temporal.io/server/common/membership/static"
	"go.temporal.io/server/common/metrics"
	"go.temporal.io/server/common/persistence"
	"go.temporal.io/server/common/persistence/serialization"
	"go.temporal.io/server/common/persistence/sql"
	"go.temporal.io/server/common/persistence/sql/sqlplugin"
	sqliteplugin "go.temporal.io/server/common/persistence/sql/sqlplugin/sqlite"
	"go.temporal.io/server/common/primitives"
	"go.temporal.io/server/common/resolver"
	"go.temporal.io/server/common/searchattribute/sadefs"
	"go.temporal.io/server/schema/sqlite"
	"go.temporal.io/server/temporal"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"
)

const (
	clusterName  = "active"
	storeName    = "sqlite"
	metricsPath  = "/metrics"
	readyTimeout = 30 * time.Second
)

var loopback = netip.AddrFrom4([4]byte{127, 0, 0, 1})

// dynamicConfig is what a server with one user and one history shard needs to
// have different from a production cluster, unless the user knows better.
func dynamicConfig(overrides dynamicconfig.ConfigValueMap) dynamicconfig.StaticClient {
	values := dynamicconfig.StaticClient{
		// Each history shard loads at most this many batches of tasks a second.
		// The default, 20, is shared by hundreds of shards in production; with
		// one shard it makes every task wait 50 ms after a short burst.
		dynamicconfig.TransferProcessorMaxPollRPS.Key():   1000,
		dynamicconfig.TimerProcessorMaxPollRPS.Key():      1000,
		dynamicconfig.VisibilityProcessorMaxPollRPS.Key(): 1000,
		dynamicconfig.OutboundProcessorMaxPollRPS.Key():   1000,

		// Timers are rounded up to the end of this window, 1 s by default, which
		// absorbs the clocks of different hosts. One process has one clock, and
		// tests have retry intervals in milliseconds.
		dynamicconfig.TimerProcessorMaxTimeShift.Key(): 10 * time.Millisecond,

		// A task handed to a worker that is shutting down would otherwise be
		// lost until it times out.
		dynamicconfig.EnableCancelWorkerPollsOnShutdown.Key(): true,

		// Pause, reset and the batch operations of standalone activities are
		// still off by default.
		activity.EnableStandaloneActivityOperatorCommands.Key():                  true,
		dynamicconfig.FrontendEnableBatchOperationsForStandaloneActivities.Key(): true,

		// A test uses a search attribute or a Nexus endpoint right after it has
		// created it, and cannot wait for a cache.
		dynamicconfig.ForceSearchAttributesCacheRefreshOnRead.Key(): true,
		dynamicconfig.ForceNexusEndpointRefreshOnRead.Key():         true,

		// Reading past those caches costs queries, so the limits on queries
		// go up with it. SQLite is the real limit here.
		dynamicconfig.FrontendPersistenceMaxQPS.Key(): 10_000,
		dynamicconfig.HistoryPersistenceMaxQPS.Key():  45_000,

		// Tests wait for a result by listing; 10 a second is soon used up.
		dynamicconfig.FrontendMaxNamespaceVisibilityRPSPerInstance.Key(): 1000,

		// Sized for a server's memory by default; this one shares a laptop.
		dynamicconfig.HistoryCacheHostLevelMaxSize.Key(): 8192,
	}
	for key, value := range overrides {
		values[key] = value
	}
	return values
}

// server is a Temporal server that is ready, and its UI.
type server struct {
	temporal temporal.Server
	ui       *uiserver.Server // nil if headless
	addrs    addresses
	opts     options

	stopping  context.Context // done when stop begins
	beginStop context.CancelFunc
}

// addresses is where everything listens.
type addresses struct {
	frontend, http, metrics, ui netip.AddrPort
	matching, history, worker   netip.AddrPort
}

// start returns when the server answers, its namespaces can be used, and every
// address that describe prints works. After an error, parts of the server may
// still be running: Temporal has no way back from a failed start but to exit.
func start(ctx context.Context, opts options, logs logger) (*server, error) {
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()

	var ports, uiPort reservation
	defer ports.release()
	defer uiPort.release()
	addrs, err := reserveAll(opts, &ports, &uiPort)
	if err != nil {
		return nil, err
	}
	db, err := openDatabase(opts)
	if err != nil {
		return nil, err
	}
	cfg := newConfig(addrs, db)
	if opts.onConfig != nil {
		opts.onConfig(cfg.String())
	}

	s := &server{addrs: addrs, opts: opts}
	s.stopping, s.beginStop = context.WithCancel(context.Background())
	// Temporal opens its ports in NewServer and takes no listeners from outside.
	ports.release()
	s.temporal, err = temporal.NewServer(
		temporal.WithConfig(cfg),
		temporal.ForServices(temporal.DefaultServices),
		temporal.WithStaticHosts(map[primitives.ServiceName]static.Hosts{
			primitives.FrontendService: static.SingleLocalHost(dialable(addrs.frontend)),
			primitives.MatchingService: static.SingleLocalHost(addrs.matching.String()),
			primitives.HistoryService:  static.SingleLocalHost(addrs.history.String()),
			primitives.WorkerService:   static.SingleLocalHost(addrs.worker.String()),
		}),
		temporal.WithLogger(logs),
		temporal.WithAuthorizer(authorization.NewNoopAuthorizer()),
		temporal.WithClaimMapper(func(*config.Config) authorization.ClaimMapper {
			return authorization.NewNoopClaimMapper()
		}),
		temporal.WithDynamicConfigClient(dynamicConfig(opts.dynamicConfig)),
		temporal.WithChainedFrontendGrpcInterceptors(s.endLongPolls),
	)
	if err != nil {
		return nil, fmt.Errorf("setting up the server: %w", err)
	}
	if !opts.headless {
		// Not before the frontend listens: the UI connects at once, and after a
		// failure not again for a second.
		s.ui = newUI(addrs, opts)
		uiPort.release()
		// It serves until it is stopped, and ends the process itself if it
		// cannot listen.
		go func() { _ = s.ui.Start() }()
	}
	if err := s.temporal.Start(); err != nil {
		return nil, fmt.Errorf("starting the server: %w", err)
	}
	if err := s.waitReady(ctx); err != nil {
		return nil, fmt.Errorf("the server has started but is not ready: %w", err)
	}
	return s, nil
}

// stop reports whether all services stopped within the timeout.
func (s *server) stop(timeout time.Duration) bool {
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.beginStop()
		if s.ui != nil {
			s.ui.Stop()
		}
		_ = s.temporal.Stop()
	}()
	select {
	case <-done:
		return true
	case <-time.After(timeout):
		return false
	}
}

// endLongPolls ends the requests that wait for something to happen when the
// server stops. The frontend would let them wait for another second, and its own
// workers always have some open.
func (s *server) endLongPolls(
	ctx context.Context, req any, info *grpc.UnaryServerInfo, handler grpc.UnaryHandler,
) (any, error) {
	method := path.Base(info.FullMethod)
	if strings.HasPrefix(method, "Poll") || method == "GetWorkflowExecutionHistory" {
		var cancel context.CancelFunc
		ctx, cancel = context.WithCancel(ctx)
		defer cancel()
		defer context.AfterFunc(s.stopping, cancel)()
	}
	return handler(ctx, req)
}

// describe is the output for people and for programs, which find an address by
// the word in front of it.
func (s *server) describe() string {
	var b strings.Builder
	line := func(what, where string) { _, _ = fmt.Fprintf(&b, "%-8s %s\n", what+":", where) }
	line("Server", dialable(s.addrs.frontend))
	if s.opts.httpPort != 0 {
		line("HTTP", "http://"+dialable(s.addrs.http))
	}
	if s.ui != nil {
		line("UI", "http://"+dialable(s.addrs.ui)+s.opts.uiPublicPath)
	}
	line("Metrics", "http://"+dialable(s.addrs.metrics)+metricsPath)
	return b.String()
}

// waitReady goes through the public interface, as the clients will.
func (s *server) waitReady(ctx context.Context) error {
	conn, err := grpc.NewClient(dialable(s.addrs.frontend),
		grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	health := healthpb.NewHealthClient(conn)
	frontend := workflowservice.NewWorkflowServiceClient(conn)

	if err := until(ctx, func() error {
		resp, err := health.Check(ctx, &healthpb.HealthCheckRequest{
			Service: workflowservice.WorkflowService_ServiceDesc.ServiceName,
		})
		if err == nil && resp.GetStatus() != healthpb.HealthCheckResponse_SERVING {
			err = fmt.Errorf("the frontend is %v", resp.GetStatus())
		}
		return err
	}); err != nil {
		return err
	}
	for _, namespace := range s.opts.namespaces {
		if err := until(ctx, func() error {
			_, err := frontend.DescribeNamespace(ctx, &workflowservice.DescribeNamespaceRequest{Namespace: namespace})
			return err
		}); err != nil {
			return fmt.Errorf("namespace %q: %w", namespace, err)
		}
	}
	// The frontend answers before the history service owns its shard, and until
	// then nothing can be started. An answer about any workflow shows that it does.
	if err := until(ctx, func() error {
		_, err := frontend.DescribeWorkflowExecution(ctx, &workflowservice.DescribeWorkflowExecutionRequest{
			Namespace: s.opts.namespaces[0],
			Execution: &commonpb.WorkflowExecution{WorkflowId: "no-such-workflow"},
		})
		if status.Code(err) == codes.NotFound {
			return nil
		}
		return err
	}); err != nil {
		return fmt.Errorf("history: %w", err)
	}

	urls := []string{"http://" + dialable(s.addrs.metrics) + metricsPath}
	if s.ui != nil {
		// Not /healthz: an answer about a namespace shows that the UI has
		// reached the frontend.
		urls = append(urls, "http://"+dialable(s.addrs.ui)+"/api/v1/namespaces/"+s.opts.namespaces[0])
	}
	for _, url := range urls {
		if err := until(ctx, func() error { return get(ctx, url) }); err != nil {
			return err
		}
	}
	return nil
}

// until repeats a probe until it succeeds, or the context ends.
func until(ctx context.Context, probe func() error) error {
	for {
		err := probe()
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(10 * time.Millisecond):
		}
	}
}

func get(ctx context.Context, url string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	_, _ = io.Copy(io.Discard, resp.Body)
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", url, resp.Status)
	}
	return nil
}

func newConfig(addrs addresses, db *config.SQL) *config.Config {
	service := func(at netip.AddrPort, httpPort uint16) config.Service {
		return config.Service{RPC: config.RPC{
			GRPCPort: int(at.Port()),
			HTTPPort: int(httpPort),
			BindOnIP: at.Addr().String(),
		}}
	}
	var cfg config.Config
	cfg.Services = map[string]config.Service{
		string(primitives.FrontendService): service(addrs.frontend, addrs.http.Port()),
		string(primitives.MatchingService): service(addrs.matching, 0),
		string(primitives.HistoryService):  service(addrs.history, 0),
		string(primitives.WorkerService):   service(addrs.worker, 0),
	}
	cfg.Global.Metrics = &metrics.Config{Prometheus: &metrics.PrometheusConfig{
		ListenAddress: addrs.metrics.String(),
		HandlerPath:   metricsPath,
	}}
	cfg.Persistence = config.Persistence{
		DefaultStore:    storeName,
		VisibilityStore: storeName,
		// A constant of the database file: another number would make its
		// executions unreachable.
		NumHistoryShards: 1,
		DataStores:       map[string]config.DataStore{storeName: {SQL: db}},
	}
	cfg.ClusterMetadata = &cluster.Config{
		FailoverVersionIncrement: 10,
		MasterClusterName:        clusterName,
		CurrentClusterName:       clusterName,
		ClusterInformation: map[string]cluster.ClusterInformation{clusterName: {
			Enabled:                true,
			InitialFailoverVersion: 1,
			RPCAddress:             dialable(addrs.frontend),
			HTTPAddress:            dialable(addrs.http),
		}},
	}
	cfg.DCRedirectionPolicy.Policy = "noop"
	// The services' own workers are clients of the frontend.
	cfg.PublicClient.HostPort = dialable(addrs.frontend)
	const disabled = "disabled"
	cfg.Archival.History.State = disabled
	cfg.Archival.Visibility.State = disabled
	cfg.NamespaceDefaults.Archival.History.State = disabled
	cfg.NamespaceDefaults.Archival.Visibility.State = disabled
	return &cfg
}

func newUI(addrs addresses, opts options) *uiserver.Server {
	host := addrs.ui.Addr().String()
	if addrs.ui.Addr().Is6() {
		host = "[" + host + "]" // it puts ":port" behind it
	}
	return uiserver.NewServer(uioptions.WithConfigProvider(&uiconfig.Config{
		TemporalGRPCAddress: dialable(addrs.frontend),
		Host:                host,
		Port:                int(addrs.ui.Port()),
		PublicPath:          opts.uiPublicPath,
		EnableUI:            true,
		UIAssetPath:         opts.uiAssetPath,
		Codec:               uiconfig.Codec{Endpoint: opts.uiCodecURL},
		DefaultNamespace:    opts.namespaces[0],
		DisableNewsFetch:    opts.uiDisableNews,
		// There is no TLS here, and a browser keeps a secure cookie to itself.
		CORS:     uiconfig.CORS{CookieInsecure: true},
		HideLogs: true,
	}))
}

// openDatabase creates schema, namespaces and search attributes unless they are
// there already. Temporal shares one connection per database in a process, so an
// in-memory database lives from here on.
func openDatabase(opts options) (*config.SQL, error) {
	cfg := &config.SQL{
		PluginName: sqliteplugin.PluginName,
		// In-memory databases of a process are told apart by name.
		DatabaseName:      rand.Text(),
		ConnectAttributes: map[string]string{"mode": "memory", "cache": "shared"},
	}
	if opts.dbFile != "" {
		cfg.DatabaseName = sqlitePath(opts.dbFile)
		cfg.ConnectAttributes = map[string]string{"mode": "rwc"}
	}
	maps.Copy(cfg.ConnectAttributes, opts.pragmas)

	err := func() error {
		if opts.dbFile != "" {
			if err := setUpSchema(cfg); err != nil {
				return err
			}
		}
		return createNamespaces(cfg, opts)
	}()
	if err != nil && opts.dbFile != "" {
		err = fmt.Errorf("database %s (--db-filename): %w", opts.dbFile, err)
	}
	return cfg, err
}

// checkPragma rejects what SQLite would ignore without a word, and what
// Temporal's plugin takes for a parameter of the database URI.
func checkPragma(name string) error {
	db, err := stdsql.Open("sqlite", ":memory:")
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }()
	var known bool
	if err := db.QueryRow("SELECT count(*) > 0 FROM pragma_pragma_list WHERE name = ?", name).Scan(&known); err != nil {
		return err
	}
	if !known {
		return fmt.Errorf("SQLite has no pragma %q", name)
	}
	return nil
}

// sqlitePath escapes a path for the URI that Temporal makes of it.
func sqlitePath(path string) string {
	return strings.NewReplacer("%", "%25", "?", "%3f", "#", "%23").Replace(filepath.ToSlash(path))
}

// setUpSchema creates all tables or none, so that a start which is interrupted
// leaves no half of a database behind. One transaction also spares a slow disk a
// hundred writes.
func setUpSchema(cfg *config.SQL) error {
	db, err := sql.NewSQLAdminDB(sqlplugin.DbKindUnknown, cfg, resolver.NewNoopResolver(),
		log.NewNoopLogger(), metrics.NoopMetricsHandler)
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }()
	tables, err := db.ListTables(cfg.DatabaseName)
	if err != nil {
		return err
	}
	if slices.Contains(tables, "namespaces") {
		return nil
	}
	if len(tables) > 0 {
		return errors.New("there is something else than Temporal's data in it")
	}
	// The plugin has one connection, so this encloses what SetupSchemaOnDB does.
	if err := db.Exec("BEGIN IMMEDIATE"); err != nil {
		return err
	}
	if err := sqlite.SetupSchemaOnDB(db); err != nil {
		return errors.Join(err, db.Exec("ROLLBACK"))
	}
	return db.Exec("COMMIT")
}

func createNamespaces(cfg *config.SQL, opts options) error {
	var create []*sqlite.NamespaceConfig
	for _, name := range opts.namespaces {
		namespace, err := sqlite.NewNamespaceConfig(clusterName, name, false, nil)
		if err != nil {
			return err
		}
		create = append(create, namespace)
	}
	if err := sqlite.CreateNamespaces(cfg, create...); err != nil {
		return err
	}
	if len(opts.searchAttributes) == 0 {
		return nil
	}
	// CreateNamespaces leaves an existing namespace alone, but flags must not
	// depend on whether the file is new.
	db, err := sql.NewSQLDB(sqlplugin.DbKindUnknown, cfg, resolver.NewNoopResolver(),
		log.NewNoopLogger(), metrics.NoopMetricsHandler)
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }()
	for _, name := range opts.namespaces {
		if err := addSearchAttributes(db, name, opts.searchAttributes); err != nil {
			return fmt.Errorf("search attributes of namespace %q: %w", name, err)
		}
	}
	return nil
}

// addSearchAttributes gives each name one of the columns that SQLite's schema
// has for its type. The server has an operation for it, which takes effect some
// seconds later; in the database it does before the server is ready.
func addSearchAttributes(db sqlplugin.DB, namespace string, wanted map[string]enumspb.IndexedValueType) error {
	ctx := context.Background()
	rows, err := db.SelectFromNamespace(ctx, sqlplugin.NamespaceFilter{Name: &namespace})
	if err != nil {
		return err
	}
	if len(rows) != 1 {
		return fmt.Errorf("%d rows of that name", len(rows))
	}
	row := rows[0]
	serializer := serialization.NewSerializer()
	detail, err := serializer.NamespaceDetailFromBlob(persistence.NewDataBlob(row.Data, row.DataEncoding))
	if err != nil {
		return err
	}

	columns := sadefs.GetDBIndexSearchAttributes(nil).GetCustomSearchAttributes()
	aliases := maps.Clone(detail.GetConfig().GetCustomSearchAttributeAliases())
	if aliases == nil {
		aliases = map[string]string{}
	}
	existing := map[string]enumspb.IndexedValueType{}
	for column, name := range aliases {
		existing[name] = columns[column]
	}
	for _, name := range slices.Sorted(maps.Keys(wanted)) {
		typ := wanted[name]
		if have, ok := existing[name]; ok {
			if have != typ {
				return fmt.Errorf("%s exists and is a %v, not a %v", name, have, typ)
			}
			continue
		}
		var free string
		for _, column := range slices.Sorted(maps.Keys(columns)) {
			if columns[column] == typ && aliases[column] == "" {
				free = column
				break
			}
		}
		if free == "" {
			return fmt.Errorf("no room for %s: SQLite has no more columns for the type %v", name, typ)
		}
		aliases[free] = name
	}

	detail.Config.CustomSearchAttributeAliases = aliases
	blob, err := serializer.NamespaceDetailToBlob(detail)
	if err != nil {
		return err
	}
	row.Data, row.DataEncoding = blob.GetData(), blob.GetEncodingType().String()
	_, err = db.UpdateNamespace(ctx, &row)
	return err
}

// reservation keeps ports until the server opens them itself.
type reservation struct{ listeners []net.Listener }

// reserveAll keeps the UI's port apart, because the UI starts later.
func reserveAll(opts options, ports, uiPort *reservation) (addresses, error) {
	var addrs addresses
	var errs []error
	take := func(r *reservation, ip netip.Addr, port int, flag string) netip.AddrPort {
		at, err := r.reserve(ip, port)
		if err != nil {
			errs = append(errs, fmt.Errorf("cannot listen on port %d (%s): %w", port, flag, err))
		}
		return at
	}
	addrs.frontend = take(ports, opts.ip, opts.port, "--port")
	addrs.http = take(ports, opts.ip, opts.httpPort, "--http-port")
	if !opts.headless {
		addrs.ui = take(uiPort, opts.uiIP, opts.uiPort, "--ui-port")
	}
	addrs.metrics = take(ports, loopback, opts.metricsPort, "--metrics-port")
	addrs.matching = take(ports, loopback, 0, "internal")
	addrs.history = take(ports, loopback, 0, "internal")
	addrs.worker = take(ports, loopback, 0, "internal")
	return addrs, errors.Join(errs...)
}

func (r *reservation) reserve(ip netip.Addr, port int) (netip.AddrPort, error) {
	l, err := net.Listen("tcp", netip.AddrPortFrom(ip, uint16(port)).String())
	if err != nil {
		return netip.AddrPort{}, err
	}
	r.listeners = append(r.listeners, l)
	tcp, ok := l.Addr().(*net.TCPAddr)
	if !ok {
		return netip.AddrPort{}, fmt.Errorf("%v is not a TCP address", l.Addr())
	}
	at := netip.AddrPortFrom(ip, uint16(tcp.Port))
	if port == 0 && runtime.GOOS == "linux" {
		withhold(l, dialable(at))
	}
	return at, nil
}

// withhold keeps Linux from giving the port to the next process that asks for
// any free port, in the moment between release and the server's own listening:
// a connection closed by this side leaves the port in TIME_WAIT, which only an
// explicit bind may reuse. Other systems hand out free ports in turn. Nothing
// depends on it, hence no errors.
func withhold(l net.Listener, addr string) {
	client, err := net.Dial("tcp", addr)
	if err != nil {
		return
	}
	if accepted, err := l.Accept(); err == nil {
		_ = accepted.Close()
	}
	_ = client.Close()
}

func (r *reservation) release() {
	for _, l := range r.listeners {
		_ = l.Close()
	}
	r.listeners = nil
}

// dialable is the address of a client: nobody can connect to 0.0.0.0 everywhere.
func dialable(at netip.AddrPort) string {
	switch at.Addr() {
	case netip.IPv4Unspecified():
		at = netip.AddrPortFrom(loopback, at.Port())
	case netip.IPv6Unspecified():
		at = netip.AddrPortFrom(netip.IPv6Loopback(), at.Port())
	}
	return at.String()
}
