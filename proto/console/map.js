// map.js -- Huizhou's counties, and what stands on them. No tiles unless the page is given some.
/* global L */
import { metres } from './words.js';

// A tooltip takes a node, never HTML: names are text.
const said = (text) => document.createTextNode(text);

export async function openMap(node) {
  const map = L.map(node, { zoomControl: true, preferCanvas: true });
  const given = await (await fetch('/console.json')).json();
  if (given.tiles) L.tileLayer(given.tiles, { attribution: given.attribution }).addTo(map);
  const counties = await (await fetch('/counties.geojson')).json();
  const land = L.geoJSON(counties, { interactive: false, style: { color: '#7a8a99', weight: 1, fillColor: '#eef2ea', fillOpacity: given.tiles ? 0 : 1 } }).addTo(map);
  map.attributionControl.setPrefix(false);
  map.fitBounds(land.getBounds());
  const observer = new ResizeObserver(() => map.invalidateSize());
  observer.observe(node);
  const opened = { map, layer: L.layerGroup().addTo(map), isClosed: false };
  opened.close = () => { // what is still on its way then finds nothing to draw on
    opened.isClosed = true;
    observer.disconnect();
    map.remove();
  };
  return opened;
}

// An order, and its candidates: the better, the darker; the chosen ones ringed.
export function showOrder({ map, layer, isClosed }, order, candidates, places, chosen) {
  if (isClosed) return;
  layer.clearLayers();
  if (order.lat === undefined) return;
  const points = [[order.lat, order.lon]];
  L.circle(points[0], { radius: 500, color: '#1f6feb', weight: 1, fill: false, dashArray: '4' }).addTo(layer);
  L.circleMarker(points[0], { radius: 8, color: '#fff', weight: 2, fillColor: '#c62828', fillOpacity: 1 }).bindTooltip(said(`#${order.order}`)).addTo(layer);
  candidates.forEach((c, i) => {
    const place = places.get(c.org);
    if (!place) return;
    points.push([place.lat, place.lon]);
    L.circleMarker([place.lat, place.lon], {
      radius: chosen.has(c.org) ? 9 : 6, color: chosen.has(c.org) ? '#000' : '#fff', weight: 2, fillColor: '#2e7d32', fillOpacity: 0.35 + 0.65 * (c.score / 1000),
    }).bindTooltip(said(`${i + 1} ${c.org_name} · ${metres(c.distance_m)}`)).addTo(layer);
  });
  map.fitBounds(L.latLngBounds(points).pad(0.4), { maxZoom: 14, animate: false });
}

// Cells: organisations green, waiting orders red; a cell of fewer than five orders says only that.
export function showCells({ layer, isClosed }, cells, few) {
  if (isClosed) return;
  layer.clearLayers();
  for (const cell of cells) {
    const orders = cell.few ? few : String(cell.orders || 0);
    const size = (n) => 3 + Math.sqrt(n);
    if (cell.orgs) L.circleMarker([cell.lat, cell.lon], { radius: size(cell.orgs), stroke: false, fillColor: '#2e7d32', fillOpacity: 0.5 }).bindTooltip(said(`${cell.orgs} / ${orders}`)).addTo(layer);
    if (cell.few || cell.orders) L.circleMarker([cell.lat, cell.lon], { radius: size(cell.few ? 2 : cell.orders), stroke: false, fillColor: '#c62828', fillOpacity: 0.6 }).bindTooltip(said(`${cell.orgs || 0} / ${orders}`)).addTo(layer);
  }
}
